"""What clang says becomes findings in the user's own lines."""

from __future__ import annotations

import pytest

from dynmon.compiler.diagnostics import MAX_DIAGNOSTICS, CompileError, parse_diagnostics
from dynmon.compiler.hints import HINTS, MACROS
from dynmon.errors import Diagnostic
from dynmon.models import Direction

SOURCE = "first\r\nsecond\nthird\n"


def parse(messages: str, source: str = SOURCE) -> tuple[Diagnostic, ...]:
    return parse_diagnostics(messages, source, Direction.EGRESS)


def test_place_severity_message_and_line() -> None:
    assert (Diagnostic("egress", 2, 5, "error", "use of undeclared identifier 'x'", "second"),) == parse(
        "<stdin>:2:5: error: use of undeclared identifier 'x'\n1 error generated.\n"
    )


def test_errors_come_before_warnings() -> None:
    found = parse("<stdin>:1:1: warning: w\n<stdin>:3:2: fatal error: e\n")

    assert [("error", "e"), ("warning", "w")] == [(item.severity, item.message) for item in found]


@pytest.mark.parametrize(
    "messages",
    [
        "include/dynmon/maps.h:9:4: error: bad\n<stdin>:3:7: note: expanded from here\n",
        "In file included from <stdin>:3:\nIn file included from sys/linux/a.h:5:\nsys/linux/b.h:9:4: error: bad\n",
        "In file included from sys/linux/a.h:5:\n                 from <stdin>:3:\nsys/linux/b.h:9:4: error: bad\n",
    ],
)
def test_a_finding_in_a_header_is_placed_where_the_user_led_there(messages: str) -> None:
    (found,) = parse(messages)

    assert (3, "third", "bad") == (found.line, found.source_line, found.message)


def test_the_way_to_a_header_is_told_once_for_all_findings_in_it() -> None:
    found = parse(
        "In file included from <stdin>:3:\nsys/linux/b.h:9:4: error: bad\nsys/linux/b.h:1:1: note: because\n"
        "sys/linux/b.h:11:4: error: worse\nsys/linux/b.h:2:1: note: because\n<stdin>:2:1: error: other\n"
    )

    assert [3, 2] == [item.line for item in found]


def test_a_finding_in_a_header_alone_has_no_line() -> None:
    assert (Diagnostic("egress", 0, 0, "error", "bad", ""),) == parse("include/dynmon/maps.h:9:4: error: bad\n")


def test_the_code_generator_is_understood() -> None:
    (found,) = parse(
        "error: <stdin>:3:5: in function dynmon_egress i32 (%struct.__sk_buff*): "
        "A call to built-in function 'memcpy' is not supported.\n"
    )

    assert (3, 5) == (found.line, found.column)
    assert "in function dynmon_egress: A call to built-in function 'memcpy' is not supported." == found.message


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        (
            "include/dynmon/program.h:9:2: error: function 'handle_rx' has internal linkage but is not defined",
            "handle_rx is not defined",
        ),
        (
            '<stdin>:1:1: error: static_assert failed due to requirement \'a ("x") != 0\' "unsupported map type a: b"',
            "unsupported map type a: b",
        ),
        ("<stdin>:1:1: error: static assertion failed due to requirement 'a != 0': too long", "too long"),
        ("<stdin>:1:1: error: redefinition of enumerator 'dynmon_type_FLOWS'", "map 'FLOWS' is declared twice"),
        (
            "<stdin>:1:1: error: called object type '(struct dynmon_the_leaf_is_not_an_integer *)0' is not a function",
            "increment needs a map whose leaf is an integer",
        ),
        (
            "<stdin>:1:1: error: call to undeclared function 'DYNMON_STORE_n'; ISO C99 and later do not support it",
            "pcn_log takes at most four arguments",
        ),
        (
            "<stdin>:1:1: error: conflicting types for 'handle_rx'",
            "conflicting types for 'handle_rx': it must be static",
        ),
        (
            "<stdin>:1:1: error: variable has incomplete type 'dynmon_key_FLOWS' (aka 'struct flow')",
            "map 'FLOWS' is made of 'struct flow', which is not declared before it",
        ),
        (
            "<stdin>:3:5: error: no member named 'lokup' in 'struct (unnamed at <stdin>:1:1)'; did you mean 'lookup'?",
            "no member named 'lokup' in what line 1 declares; did you mean 'lookup'?",
        ),
    ],
)
def test_words_of_the_headers_become_words_of_the_user(said: str, meant: str) -> None:
    (found,) = parse(said)

    assert found.message.startswith(meant)


def test_only_the_first_finding_of_a_place_is_told() -> None:
    """One wrong use of a map macro has a dozen consequences."""
    found = parse("<stdin>:2:1: error: cause\n<stdin>:2:1: error: effect\n<stdin>:2:9: error: other\n")

    assert ["cause", "other"] == [item.message for item in found]


def test_findings_are_bounded() -> None:
    found = parse("".join(f"<stdin>:{line}:1: warning: {line}\n" for line in range(1, 500)), "x" * 5000)

    assert MAX_DIAGNOSTICS == len(found)
    assert len(found[0].source_line) < 5000


def test_error_without_a_place() -> None:
    (found,) = parse("clang-14: error: unable to make temporary file\nerror: clang frontend command failed\n")

    assert (0, "unable to make temporary file") == (found.line, found.message)


def test_compile_error_says_the_first_and_carries_all() -> None:
    error = CompileError(parse("<stdin>:1:1: warning: w\n<stdin>:2:3: error: a\n<stdin>:3:1: error: b\n"))

    assert "the egress code does not compile at line 2: a (and 1 more)" == str(error)
    assert "compile" == error.fields()["stage"]
    assert [2, 3, 1] == [item["line"] for item in error.fields()["diagnostics"]]
    assert {"file", "line", "column", "severity", "message", "source-line"} == set(error.fields()["diagnostics"][0])


# What clang 14 or 19 said, with the line it was about where that matters, and a part of the hint.
HINTED = [
    ("use of undeclared identifier 'ETH_P_IP'", "", "#include <linux/if_ether.h>"),
    ("incomplete definition of type 'struct iphdr'", "", "#include <linux/ip.h>"),
    ("arithmetic on a pointer to an incomplete type 'struct tcphdr'", "", "#include <linux/tcp.h>"),
    ("variable has incomplete type 'struct icmp6hdr'", "", "#include <linux/icmpv6.h>"),
    ("implicit declaration of function 'bpf_htons' is invalid in C99", "", "#include <bpf/bpf_endian.h>"),
    (
        "call to undeclared function 'bpf_core_field_exists'; ISO C99 and later do not support implicit function "
        "declarations",
        "",
        "#include <bpf/bpf_core_read.h>",
    ),
    ("call to undeclared library function 'printf' with type 'int (const char *, ...)'", "", "pcn_log(ctx, LOG_INFO"),
    ("implicitly declaring library function 'malloc' with type 'void *(unsigned long)'", "", "there is no heap"),
    ("implicit declaration of function 'strlen' is invalid in C99", "", "a loop with a constant bound"),
    ("unknown type name '__u32'", "", "#include <linux/types.h>"),
    ("unknown type name 'u32'", "", "write __u32"),
    ("use of undeclared identifier 'FLOWS'", "FLOWS.lookup(&key);", "BPF_HASH(FLOWS, key type, value type, entries);"),
    ("function 'handle_rx' has internal linkage but is not defined", "", 'SEC("tc") or SEC("xdp")'),
    ("function 'parse' has internal linkage but is not defined", "", "write its body too"),
    ("conflicting types for 'handle_rx'", "", "copy that line"),
    ("'vmlinux.h' file not found", "", "BTF"),
    ("'stdio.h' file not found", "", "there is no C library"),
    ("'common.h' file not found", "", "dynmon pack"),
    ("A call to built-in function '__muldf3' is not supported.", "", "no floating-point numbers"),
    ("A call to built-in function 'memset' is not supported.", "", "1024 bytes"),
    ("A call to built-in function '__multi3' is not supported.", "", "compute it another way"),
    (
        "loop not unrolled: the optimizer was unable to perform the requested transformation",
        "",
        "a constant bound, or leave the pragma out",
    ),
    ("Looks like the BPF stack limit of 512 bytes is exceeded.", "", "BPF_PERCPU_ARRAY(SCRATCH, struct big, 1)"),
    ("stack frame size (704) exceeds limit (512) in function 'f'", "", "BPF_PERCPU_ARRAY(SCRATCH, struct big, 1)"),
    ("unsupported dynamic stack allocation", "", "in constant sizes"),
    ("too many args to 0xa4e7928: i64 = GlobalAddress<i32 (i32)* @sum> 0", "", "static __always_inline"),
    ("stack arguments are not supported", "", "static __always_inline"),
    ("0x55c8a4487c90: i64 = Constant<6> too many arguments", "", "static __always_inline"),
    ("too many args to 0x1: i64 = Constant<6>", 'bpf_printk("", 1, 2, 3, 4);', "at most three arguments"),
    ("too many arguments provided to function-like macro invocation", "SEC(2, 3)", "leave some out"),
    ("too many arguments provided to function-like macro invocation", "pcn_log(ctx, 1)", "at most four"),
    ("called object type 'int' is not a function or function pointer", "bpf_printk(1)", "at most twelve"),
    ("expected ')'", "BPF_PERCPU_ARRAY(A, u64, 1, 2);", "BPF_ARRAY(NAME, leaf type, entries)"),
    ("expected identifier or '('", "BPF_HASH(A, u64, u64, 1, 2);", "BPF_HASH(NAME, key type, leaf type, entries)"),
    ("expected identifier or '('", "BPF_LPM_TRIE(A, u64, u64, 1, 2);", "BPF_LPM_TRIE(NAME, key type"),
    ("expected ')'", "BPF_HISTOGRAM(A, u64, 1, 2);", "BPF_HISTOGRAM(NAME, key type, buckets)"),
    ("expected identifier or '('", "BPF_QUEUE(A, u64, 1, 2, 3);", "BPF_QUEUE(NAME, leaf type, entries)"),
    ("too few arguments provided to function-like macro invocation", 'BPF_TABLE("hash");', 'BPF_TABLE("hash", key'),
    ("variable has incomplete type 'struct bpf_map_def'", "", 'NAME SEC(".maps")'),
    ("license changed binding to STB_GLOBAL", "", "char LICENSE[]"),
    ("symbol 'license' is already defined", "", "char LICENSE[]"),
    ("aggregate returns are not supported", "", "static __always_inline"),
    ("functions with VarArgs or StructRet are not supported", "", "static __always_inline"),
    ("unsupported signed division, please convert to unsigned div/mod.", "", "(u32)a / (u32)b"),
    ("static_assert failed due to requirement 'a != 0' \"unsupported map type tree\"", "", '"lru_hash"'),
    ("variable has incomplete type 'dynmon_key_FLOWS' (aka 'struct flow')", "", "above the map"),
    ("redefinition of enumerator 'dynmon_type_FLOWS'", "", "another name"),
    ("called object type '(struct dynmon_the_leaf_is_not_an_integer *)0' is not a function", "", "t->packets += 1"),
    ("static assertion failed: pcn_log takes at most four arguments", "", "in two lines"),
    ("static assertion failed: the format of pcn_log is longer than 511 bytes", "", "at most 511 bytes"),
    ("expected ')'", "pcn_log(ctx, LOG_INFO, format, 1);", "has to be a literal"),
    ("no member named 'len' in 'struct xdp_md'", "", "md->packet_len"),
    ("no member named 'saddr' in 'struct __sk_buff'", "", "through ctx->data"),
    ("no member named 'find' in 'const struct (unnamed at <stdin>:1:1)'", "", "lookup, update"),
    ("'pcn_pkt_redirect' is unavailable: a dynmon cube has no ports to redirect to", "", "RX_OK or RX_DROP"),
    ("variable 'x' is uninitialized when used here", "", "where it is declared"),
    ("division by zero is undefined", "", "leaves out all that follows"),
    ("expected ';' at end of declaration", "", "put a ;"),
]


@pytest.mark.parametrize(("said", "line", "hint"), HINTED, ids=lambda text: text[:40])
def test_frequent_mistakes_have_a_hint(said: str, line: str, hint: str) -> None:
    (found,) = parse(f"<stdin>:1:1: error: {said}\n", line)

    assert hint in found.hint


def test_no_hint_is_dead() -> None:
    """Each is given for one of these messages."""
    given = {parse(f"<stdin>:1:1: error: {said}\n", line)[0].hint for said, line, _ in HINTED}

    assert [] == [pattern.pattern for pattern, hint in HINTS + MACROS if hint not in given]


def test_what_says_it_all_has_no_hint() -> None:
    (found,) = parse("<stdin>:1:1: error: too many arguments to function call, expected 2, have 3")

    assert ("too many arguments to function call, expected 2, have 3", "") == (found.message, found.hint)


def test_an_unknown_name_has_no_hint() -> None:
    assert [""] == [found.hint for found in parse("<stdin>:2:1: error: use of undeclared identifier 'whatever'\n")]


def test_two_kinds_of_types_of_the_kernel() -> None:
    (found,) = parse(
        "In file included from <stdin>:2:\nsys/linux/ip.h:9:8: error: redefinition of 'iphdr'\n"
        "vmlinux.h:120:8: note: previous definition is here\n"
    )

    assert (2, "second") == (found.line, found.source_line)
    assert "leave out the linux/ headers" in found.hint


def test_a_finding_in_a_packed_header_names_it() -> None:
    """Its place is where the user included it."""
    source = '# 1 "common.h" 1\nint bad = x;\n# 2 "<stdin>" 2\nint good;\n'
    (found,) = parse(
        "In file included from <stdin>:1:\ncommon.h:1:11: error: use of undeclared identifier 'x'\n", source
    )

    assert (1, '#include "common.h"') == (found.line, found.source_line)
    assert "in common.h:1 (int bad = x;): use of undeclared identifier 'x'" == found.message


def test_the_place_in_the_middle_of_what_the_code_generator_says() -> None:
    (found,) = parse(
        "fatal error: error in backend: Cannot select: 0x1b: i32 = sdiv 0x1c, 0x1d, <stdin>:3:5 @[ <stdin>:2:1 ]\n"
    )

    assert (3, 5, "signed division is not supported") == (found.line, found.column, found.message)


def test_the_same_without_a_place_is_told_once() -> None:
    found = parse("error: Looks like the BPF stack limit\n<stdin>:2:1: error: Looks like the BPF stack limit\n")

    assert [2] == [item.line for item in found]
