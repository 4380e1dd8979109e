"""What to write instead of what clang refused: the mistakes that are made again and again."""

from __future__ import annotations

import re
from collections.abc import Sequence

# Which header has it, for the names that code about packets uses most.
HEADERS = (
    ("linux/if_ether.h", r"ETH_(?:P_\w+|ALEN|HLEN|ZLEN|FRAME_LEN|DATA_LEN)|ethhdr"),
    ("linux/ip.h", r"iphdr|IP_(?:CE|DF|MF|OFFSET)|IPVERSION|IPTOS_\w+"),
    ("linux/ipv6.h", r"ipv6hdr|ipv6_opt_hdr|frag_hdr|ipv6_rt_hdr"),
    ("linux/in.h", r"IPPROTO_(?!ICMPV6|ROUTING|FRAGMENT|HOPOPTS|NONE|DSTOPTS|MH)\w+|in_addr|sockaddr_in|INADDR_\w+"),
    ("linux/in6.h", r"in6_addr|sockaddr_in6|IPPROTO_(?:ICMPV6|ROUTING|FRAGMENT|HOPOPTS|NONE|DSTOPTS|MH)"),
    ("linux/tcp.h", r"tcphdr|TCP_FLAG_\w+"),
    ("linux/udp.h", r"udphdr"),
    ("linux/icmpv6.h", r"icmp6hdr|icmp6_filter|ICMPV6_\w+"),
    ("linux/icmp.h", r"icmphdr|ICMP_\w+"),
    ("linux/if_arp.h", r"arphdr|ARPOP_\w+|ARPHRD_\w+"),
    ("linux/if_vlan.h", r"vlan_(?:hdr|ethhdr)|VLAN_(?:VID|PRIO|CFI)_\w+"),
    ("linux/igmp.h", r"igmphdr|igmpv3_\w+"),
    ("linux/sctp.h", r"sctphdr"),
    ("linux/if_packet.h", r"PACKET_(?:HOST|BROADCAST|MULTICAST|OTHERHOST|OUTGOING)"),
    ("linux/pkt_cls.h", r"TC_ACT_\w+"),
    ("linux/errno.h", r"E(?:INVAL|NOENT|EXIST|NOMEM|PERM|AGAIN|BUSY|2BIG)"),
    (
        "linux/bpf.h",
        r"__sk_buff|xdp_md|XDP_\w+|BPF_(?:MAP_TYPE|F|ANY|NOEXIST|EXIST)\w*|bpf_\w*(?:lock|timer|tuple|tunnel_key)",
    ),
    ("bpf/bpf_endian.h", r"bpf_(?:hton|ntoh)\w+|bpf_(?:cpu_to_|be\d+_to_)\w+|hton[sl]|ntoh[sl]"),
    ("bpf/bpf_core_read.h", r"BPF_CORE_\w+|bpf_core_\w+"),
    ("bpf/bpf_tracing.h", r"BPF_PROG|PT_REGS_\w+"),
    ("bpf/bpf_helpers.h", r"SEC|__uint|__type|__array|__always_inline|__noinline|barrier_var|bpf_(?!xdp_md)\w+"),
    ("stdbool.h", r"bool|true|false"),
    ("stddef.h", r"NULL|offsetof|size_t"),
    ("stdint.h", r"u?int(?:8|16|32|64)_t|UINT\d+_MAX"),
    ("vmlinux.h or linux/types.h", r"__(?:u|s|be|le)(?:8|16|32|64)|__sum16"),
)
HEADER_OF = tuple((name, re.compile(words)) for name, words in HEADERS)
KERNEL_TYPES = re.compile(r"[us](?:8|16|32|64)$")
# What clang says of a name or a struct that it has not seen.
UNKNOWN = re.compile(
    r"(?:undeclared identifier|implicit declaration of function|call to undeclared function|unknown type name"
    r"|incomplete (?:definition of )?type|invalid use of undefined type) '(?:struct )?(?P<name>\w+)'"
)
LOG = 'say it with pcn_log(ctx, LOG_INFO, "%d", n) in the dialect, with bpf_printk("%d", n) in libbpf C'
NOT_INLINED = "mark the function static __always_inline, or give it a pointer to a struct"
HINTS = tuple(
    (re.compile(pattern), hint)
    for pattern, hint in (
        (r"'(?:printf|puts|fprintf|printk|perror)'", LOG),
        (
            r"'(?:malloc|calloc|realloc|free|alloca)'",
            "there is no heap: keep things in a map, large ones in a per-CPU array with one entry",
        ),
        (
            r"'(?:strlen|strcpy|strcat|sprintf|snprintf|atoi|strtol)'",
            "write a loop with a constant bound; strings are bytes",
        ),
        (
            r"handle_rx is not defined",
            'or leave handle_rx out and write libbpf C, with a program in SEC("tc") or SEC("xdp")',
        ),
        (r"conflicting types for 'handle_rx'", "copy that line, then { and the body"),
        (
            r"has internal linkage but is not defined",
            "write its body too, or take the declaration away; code is one text, nothing is linked to it",
        ),
        (
            r"'vmlinux\.h' file not found",
            "it is made of this kernel's BTF (/sys/kernel/btf/vmlinux), which is not there",
        ),
        (
            r"'(?:stdio|stdlib|unistd|time|signal|pthread|sys/\w+|netdb)\.h' file not found",
            "code runs in the kernel: there is no C library, only the headers of linux/ and bpf/, and string.h",
        ),
        (
            r"'[^']*' file not found",
            "local headers go into the code where it is packed: dynmon pack probe.c; those of the kernel are under "
            "linux/",
        ),
        (
            r"'__\w+(?:[sd]f|tf)\d?\w*' is not supported|floating.point|f(?:32|64) =",
            "there are no floating-point numbers in the kernel: count in thousandths, or divide where the metric is "
            "read",
        ),
        (
            r"loop not unrolled",
            "give the loop a constant bound, or leave the pragma out: Linux 5.3 and later verify loops as they are",
        ),
        (
            r"stack limit|stack frame size|dynamic stack alloc",
            "there are 512 bytes of stack, in constant sizes: move what is large into BPF_PERCPU_ARRAY(SCRATCH, struct "
            "big, 1)",
        ),
        (
            r"more than 5 arguments|too many arg|stack arguments|returns a struct|variable number of arguments",
            NOT_INLINED,
        ),
        (
            r"call to built-in function '(?:memset|memcpy|memmove|memcmp)'",
            "clang writes it out in place up to 1024 bytes of constant size: copy less, or in a loop with a constant "
            "bound",
        ),
        (r"call to built-in function", "the kernel has no such function: compute it another way"),
        (
            r"signed division",
            "make both numbers unsigned before they are divided: (u32)a / (u32)b",
        ),
        (
            r"unsupported map type",
            'the types are "hash", "array", "percpu_hash", "lru_hash", "lpm_trie", "queue" and others',
        ),
        (r"^map '\w+' is made of", "put the declaration of the struct above the map"),
        (r"^map '\w+' is declared twice", "give one of the two another name"),
        (
            r"increment needs a map whose leaf is an integer",
            "look the struct up and add to its member: t = M.lookup(&key); if (t) t->packets += 1;",
        ),
        (r"pcn_log takes at most four", "say it in two lines, or leave some out"),
        (r"format of pcn_log", "the format of pcn_log is at most 511 bytes long, which is one line"),
        (
            r"no member named '(?:len|protocol|mark|vlan_tci|hash|ifindex|pkt_type)' in 'struct xdp_md'",
            "XDP sees the packet before the kernel knows that: take md->packet_len for the length, the headers for the "
            "rest",
        ),
        (
            r"no member named '\w+' in 'struct __sk_buff'",
            "the fields of struct __sk_buff are in linux/bpf.h; a packet's headers are read through ctx->data",
        ),
        (
            r"no member named '\w+' in what line \d+ declares",
            "maps have lookup, update, insert, delete, increment, lookup_or_try_init, push, pop and peek",
        ),
        (r"is unavailable", "a dynmon cube watches one interface: its code says RX_OK or RX_DROP, and counts in maps"),
        (r"is uninitialized", "set it where it is declared: the verifier refuses what has no value"),
        (r"division by zero", "clang leaves out all that follows, and the program is refused for having no end"),
        (r"expected ';'", "put a ; at the end of that line"),
    )
)


def hint_for(message: str, source_line: str, files: Sequence[str] = ()) -> str:
    """What to do about a finding of clang's at a line of the user's; "" where nothing is known.

    `files` are those that the finding and its notes are about.
    """
    if "redefinition" in message and any("vmlinux.h" in file for file in files):
        return "leave out either vmlinux.h or the linux/ headers: both declare the kernel's types"
    if "pcn_log" in source_line and "expected ')'" in message:
        return 'the format of pcn_log has to be a literal: pcn_log(ctx, LOG_INFO, "%d", n)'
    for pattern, hint in HINTS:
        if pattern.search(message):
            return hint
    unknown = UNKNOWN.search(message)
    return _hint_for_name(unknown["name"], source_line) if unknown else ""


def _hint_for_name(name: str, source_line: str) -> str:
    if re.search(rf"\b{name}\s*\.\s*\w+\s*\(", source_line):
        return f"declare the map above: BPF_HASH({name}, key type, value type, entries);"
    if KERNEL_TYPES.match(name):
        return f"write __{name}, which linux/types.h has; {name} is the dialect's word"
    header = next((header for header, names in HEADER_OF if names.fullmatch(name)), None)
    return f"names like this come from #include <{header}>" if header else ""
