"""The include path of libbpf C: what programs expect there, alone and together, and nothing that they define."""

from __future__ import annotations

import pytest

from dynmon.compiler import CompileError, Compiler
from dynmon.models import Direction, Hook
from tests.support import needs

pytestmark = needs("kernel", "clang")
C_LIBRARY = [
    *("arpa/inet.h", "assert.h", "errno.h", "inttypes.h", "limits.h", "netinet/in.h", "stdarg.h", "stdbool.h"),
    *("stddef.h", "stdint.h", "stdio.h", "stdlib.h", "string.h", "sys/socket.h", "sys/types.h", "time.h", "unistd.h"),
    *("byteswap.h", "ctype.h", "endian.h", "fcntl.h", "math.h", "signal.h", "sys/cdefs.h", "sys/ioctl.h"),
    *("sys/param.h", "sys/resource.h", "sys/stat.h", "sys/time.h"),
]
# Packets in the words of a C library.
PACKETS = [
    *("net/ethernet.h", "net/if.h", "net/if_arp.h", "netinet/ether.h", "netinet/icmp6.h", "netinet/if_ether.h"),
    *("netinet/ip.h", "netinet/ip6.h", "netinet/ip_icmp.h", "netinet/tcp.h", "netinet/udp.h"),
]
KERNEL = [
    *("asm/types.h", "linux/bpf.h", "linux/errno.h", "linux/icmp.h", "linux/icmpv6.h", "linux/if_arp.h"),
    *("linux/if_ether.h", "linux/if_link.h", "linux/if_packet.h", "linux/if_tunnel.h", "linux/if_vlan.h"),
    *("linux/igmp.h", "linux/in.h", "linux/in6.h", "linux/ip.h", "linux/ipv6.h", "linux/mpls.h", "linux/pkt_cls.h"),
    *("linux/ptrace.h", "linux/sctp.h", "linux/stddef.h", "linux/tcp.h", "linux/types.h", "linux/udp.h"),
    *("linux/version.h", "uapi/linux/bpf.h", "uapi/linux/ip.h"),
]
INTERNAL = [
    "linux/gre.h",
    "linux/kconfig.h",
    "linux/skbuff.h",
    "linux/kernel.h",
    "net/ip.h",
    "net/sock.h",
    "net/vxlan.h",
]
WITH_WORDS = ["linux/bits.h", "linux/compiler.h", "linux/jhash.h", "linux/minmax.h"]
BPF = ["bpf/bpf_core_read.h", "bpf/bpf_endian.h", "bpf/bpf_helpers.h", "bpf/bpf_tracing.h"]
BARE = [header.removeprefix("bpf/") for header in BPF]
LOADERS = ["bpf_elf.h", "iproute2/bpf_elf.h", "xdp/xdp_helpers.h"]
# What programs call their own things; none of the headers may stand in the way.
OWN = """
struct vlan_hdr { __be16 tci, proto; };
struct pkt_metadata { int x; };
struct packet { int x; };
typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef long long s64;
typedef _Bool bool;
static int min(int a, int b) { return a < b ? a : b; }
static int max(int a, int b) { return a < b ? b : a; }
static int likely(int x) { return x; }
static int unlikely(int x) { return x; }
static int lock_xadd(int *x) { return *x; }
static int swap(int x) { return x; }
static int jhash(int x) { return x; }
static int bpf_log2(int x) { return x; }
static int ARRAY_SIZE(int x) { return x; }
static int BIT(int x) { return x; }
enum { RX_OK, RX_DROP, CTXTYPE, LOG_INFO, ETH_HDRLEN = 14 };
"""
PROGRAM = '\n__attribute__((section("tc"), used)) int program(struct __sk_buff *skb) { return skb->len; }\n'


def compile_it(compiler: Compiler, source: str) -> None:
    compiler.compile(source, Direction.INGRESS, Hook.TC)


def including(*headers: str) -> str:
    return "".join(f"#include <{header}>\n" for header in headers)


@pytest.mark.parametrize("header", [*C_LIBRARY, *PACKETS, *KERNEL, *INTERNAL, *WITH_WORDS, *BPF, *BARE, *LOADERS])
@pytest.mark.parametrize("quotes", ["<>", '""'])
def test_a_header_stands_alone(compiler: Compiler, header: str, quotes: str) -> None:
    first = including("linux/types.h") if header in BPF + BARE else ""
    inclusion = f"#include {quotes[0]}{header}{quotes[1]}\n"

    compile_it(compiler, f"{first}{inclusion}{including('linux/bpf.h')}{PROGRAM}")


@pytest.mark.parametrize(
    "headers",
    [
        [*C_LIBRARY, *PACKETS, *KERNEL, *INTERNAL, *BPF, *BARE, *LOADERS],
        [*KERNEL, *LOADERS, *BARE, *BPF, *INTERNAL, *PACKETS, *C_LIBRARY],
    ],
    ids=["the library first", "the kernel first"],
)
def test_all_of_them_leave_the_programs_own_names(compiler: Compiler, headers: list[str]) -> None:
    compile_it(compiler, including(*headers) + OWN + PROGRAM)


@pytest.mark.parametrize("header", [*C_LIBRARY, *BPF, *BARE])
def test_the_kernels_types_go_with(compiler: Compiler, header: str) -> None:
    """But for those that are the kernel's own interface, which they contain."""
    clash = header in ("arpa/inet.h", "netinet/in.h", "sys/socket.h", "limits.h", "errno.h")
    source = including("vmlinux.h", *() if clash else [header]) + PROGRAM

    compile_it(compiler, source)


@pytest.mark.parametrize("header", ["dynmon/dialect.h", "dynmon/packet.h", "bcc/proto.h", "common.h", "sys/mman.h"])
def test_what_is_not_there(compiler: Compiler, header: str) -> None:
    with pytest.raises(CompileError, match=f"'{header}' file not found"):
        compile_it(compiler, including("linux/bpf.h", header) + PROGRAM)


@pytest.mark.parametrize("name", ["memcpy", "memset", "memmove"])
@pytest.mark.parametrize("declared", [True, False])
def test_copying_is_done_in_place(compiler: Compiler, name: str, declared: bool) -> None:
    """Also where the code forgot to include string.h."""
    use = {"memset": "memset(a, 1, 16)"}.get(name, f"{name}(a, b, 16)")
    source = including("linux/bpf.h", *["string.h"] * declared) + (
        f'\n__attribute__((section("tc"), used)) int program(struct __sk_buff *skb)\n'
        f"{{ __u32 a[4] = {{}}, b[4] = {{1, skb->len}}; {use}; return a[1]; }}\n"
    )
    artifact = compiler.compile(source, Direction.INGRESS, Hook.TC)

    assert name.encode() + b"\0" not in artifact.object


WORDS_OF_THE_TREE = [
    "u64 x = 1;",
    "int x = htons(1) + cpu_to_be32(2);",
    "int x = sizeof(struct vlan_hdr);",
    "int x = likely(1) + BIT(3);",
]


@pytest.mark.parametrize("word", WORDS_OF_THE_TREE)
def test_code_of_the_kernels_tree_has_its_words(compiler: Compiler, word: str) -> None:
    """Other code defines them itself, or is told that they are not there."""
    program = f"{including('linux/if_vlan.h')}{word}{PROGRAM}"

    compile_it(compiler, including("uapi/linux/bpf.h") + program)
    with pytest.raises(CompileError):
        compile_it(compiler, including("linux/bpf.h") + program)


def test_code_of_the_kernels_tree_may_define_them_too(compiler: Compiler) -> None:
    compile_it(compiler, including("uapi/linux/bpf.h", "linux/if_vlan.h") + OWN + PROGRAM)
