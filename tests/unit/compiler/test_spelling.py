"""Which kind of C a source is."""

from __future__ import annotations

import pytest

from dynmon.compiler import Spelling
from dynmon.compiler.spelling import spelling_of

HANDLER = "static __always_inline int handle_rx(struct CTXTYPE *ctx, struct pkt_metadata *md) { return RX_OK; }\n"
PROGRAM = 'SEC("tc") int count(struct __sk_buff *skb) { return 0; }\n'


@pytest.mark.parametrize(
    "source",
    [
        HANDLER,
        "int handle_rx\n( void )",
        "int handle_rx/* the handler */(void)",
        HANDLER + PROGRAM,
        PROGRAM + HANDLER,
        'SEC("xdp") int outer(struct xdp_md *ctx) { return handle_rx(ctx, 0); }',
        "",
        "int x;",
        "// " + PROGRAM,
        "/*\n" + PROGRAM + "*/",
        "/* never closed\n" + PROGRAM,
        "// goes on \\\n" + PROGRAM,
        'struct { int x; } M SEC(".maps");',
        'char text[] = "SEC(\\"tc\\")";',
        'char _license[] SEC("license") = "GPL"; int _version SEC("version") = 1;',
        'struct bpf_map_def SEC("maps") M = {};',
        'const int x SEC(".rodata.config") = 1;',
        "#define SEC(NAME) __attribute__((section(NAME), used))\n",
        'long nsec("tc"); int do_it("tc");',
    ],
)
def test_the_dialect_has_its_handler_or_no_program(source: str) -> None:
    assert Spelling.DIALECT is spelling_of(source)


@pytest.mark.parametrize(
    "source",
    [
        PROGRAM,
        "// handle_rx(ctx, md) is not here\n" + PROGRAM,
        "/* handle_rx() */" + PROGRAM,
        'char text[] = "handle_rx(";' + PROGRAM,
        "char quote = '\"'; " + PROGRAM,
        'char *escaped = "\\"/*"; ' + PROGRAM,
        "int handle_rx; " + PROGRAM,
        "int not_handle_rx(void);" + PROGRAM,
        'SEC("xdp") int handle_rx(struct xdp_md *ctx) { return XDP_PASS; }',
        'SEC ( "xdp.frags" ) int f(struct xdp_md *ctx) { return 2; }',
        '__section("classifier") int f(struct __sk_buff *skb) { return 0; }',
        '#define __section(x) __attribute__((section(x), used))\n__section("ingress") int f(void *ctx) { return 0; }',
        '__attribute__((section("tc"), used)) int f(struct __sk_buff *skb) { return 0; }',
        '__attribute__((__section__("prog/1"))) int f(struct __sk_buff *skb) { return 0; }',
        '#define PLACE "tc/ingress"\nSEC(PLACE) int f(struct __sk_buff *skb) { return 0; }',
        '#define ENTRY(name) SEC("xdp_" #name) int name(struct xdp_md *ctx)\nENTRY(all) { return 2; }',
        'struct { int x; } M SEC(".maps");\r\n' + PROGRAM,
    ],
)
def test_libbpf_c_has_programs_of_its_own(source: str) -> None:
    assert Spelling.LIBBPF is spelling_of(source)
