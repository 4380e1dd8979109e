"""What the verifier refused, in the user's own lines: from the kernel that runs, and from logs of older ones."""

import re
import textwrap

import pytest

from dynmon.bpf import VerifierError
from dynmon.bpf.elf import Elf
from dynmon.bpf.reach import Code
from dynmon.bpf.verifier import SourcePlace, verifier_error
from tests.kernel.bpf.conftest import request_for
from tests.kernel.bpf.objects import compile_c
from tests.support import run

HASH = """struct { __uint(type, BPF_MAP_TYPE_HASH); __uint(max_entries, 8); __type(key, __u32); __type(value, __u64); }
counts SEC(".maps");
"""


def refused(loader, source):
    with pytest.raises(VerifierError) as caught:
        loader.load(request_for(source, file="egress"))
    return caught.value


UNCHECKED = (
    HASH
    + """SEC("tc") int dynmon_ingress(struct __sk_buff *ctx)
{
	__u32 key = ctx->len;
	__u64 *value = bpf_map_lookup_elem(&counts, &key);

	return *value;
}
"""
)


def test_an_unchecked_lookup_is_found_in_the_user_s_line(loader):
    """The classic: a value that may be NULL."""
    error = refused(loader, UNCHECKED)
    (diagnostic,) = error.diagnostics

    assert ("egress", 8, "error") == (diagnostic.file, diagnostic.line, diagnostic.severity)
    assert diagnostic.column > 0
    assert "R0 invalid mem access 'map_value_or_null'" == error.reason
    assert error.message == diagnostic.message
    assert error.message.endswith(f"is used without a comparison ({error.reason})")
    assert f"the kernel refused the egress code at line 8: {error.message}" == str(error)
    assert "NULL" in error.message
    assert any(line == error.reason for line in error.log)
    assert len(error.log) <= 20
    fields = error.fields()
    assert ("verify", "egress", "dynmon_ingress") == (fields["stage"], fields["file"], fields["program"])
    assert error.hint == fields["hint"]
    assert 8 == fields["diagnostics"][0]["line"]


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_the_line_is_quoted_from_the_user_s_text(loader, newline):
    """clang does not keep it unless it is told to."""
    with pytest.raises(VerifierError) as caught:
        loader.load(request_for(UNCHECKED, source=UNCHECKED.replace("\n", newline)))

    assert "\treturn *value;" == caught.value.diagnostics[0].source_line


def test_the_line_is_quoted_from_the_object_when_it_is_there(loader):
    """With the source embedded by clang."""
    error = refused(loader, compile_c(UNCHECKED, "-gdwarf-5", "-gembed-source"))

    assert "\treturn *value;" == error.diagnostics[0].source_line


def test_a_packet_read_without_a_bounds_check(loader):
    """Two lines of reason are one sentence."""
    error = refused(
        loader,
        """SEC("tc") int dynmon_ingress(struct __sk_buff *ctx)
{
	char *data = (void *)(long)ctx->data;

	return data[12];
}
""",
    )

    assert 5 == error.diagnostics[0].line
    assert error.reason.startswith("invalid access to packet, off=12 size=1")
    assert error.reason.endswith("; R1 offset is outside of the packet")


def test_a_line_of_a_header_is_not_the_user_s(loader):
    """What is refused within an inlined function of a header is shown where the user called it."""
    error = refused(
        loader,
        HASH
        + """# 1 "/usr/include/dialect/map.h"
static __attribute__((always_inline)) __u64 take(__u32 key)
{
	__u64 *value = bpf_map_lookup_elem(&counts, &key);
	return *value;
}
# 10 "<stdin>"
SEC("tc") int dynmon_ingress(struct __sk_buff *ctx)
{
	return take(ctx->len);
}
""",
    )

    assert 12 == error.diagnostics[0].line
    assert "R0 invalid mem access 'map_value_or_null'" == error.reason


def test_the_line_within_a_subprogram(loader):
    """A function that is not inlined."""
    error = refused(
        loader,
        HASH
        + """static __attribute__((noinline)) __u64 take(__u32 key)
{
	__u64 *value = bpf_map_lookup_elem(&counts, &key);
	return *value;
}
SEC("tc") int dynmon_ingress(struct __sk_buff *ctx)
{
	return take(ctx->len);
}
""",
    )

    assert 6 == error.diagnostics[0].line


def test_an_endless_loop(loader):
    """The log ends with the states; the reason comes before them."""
    error = refused(
        loader,
        """SEC("tc") int dynmon_ingress(struct __sk_buff *ctx)
{
	volatile int on = 1;

	while (on)
		;
	return 0;
}
""",
    )

    assert error.reason.startswith("infinite loop detected")
    assert error.diagnostics[0].line in (5, 6)


def test_a_program_too_complex_has_a_reason_and_a_short_log(loader):
    """A log of megabytes is cut, and its end is what counts."""
    error = refused(
        loader,
        """SEC("tc") int dynmon_ingress(struct __sk_buff *ctx)
{
	__u64 sum = 0;

	for (int i = 0; i < 30000000; i++) {
		if (bpf_get_prandom_u32() & 1)
			sum += i * sum;
		asm volatile("");
	}
	return sum;
}
""",
    )

    assert "BPF program is too large" in error.message or "too complex" in error.message
    assert sum(map(len, error.log)) < 20_000


def test_without_line_info_the_reason_is_still_told(loader):
    """An object compiled without -g has no lines."""
    source = 'SEC("tc") int dynmon_ingress(struct __sk_buff *ctx) { return *(int *)(long)ctx->data; }'
    error = refused(loader, compile_c(source, "-g0"))

    assert (0, "") == (error.diagnostics[0].line, error.diagnostics[0].source_line)
    assert error.reason.startswith("invalid access to packet")


def test_an_object_of_the_user_s_own_shows_the_lines_of_its_files(loader):
    """Nothing in it was given on standard input, so all lines are the user's."""
    source = '# 7 "/home/user/probe.c"\nSEC("tc") int dynmon_ingress(struct __sk_buff *ctx)\n{\n'
    error = refused(loader, compile_c(source + "\treturn *(int *)(long)ctx->data;\n}\n"))

    assert 9 == error.diagnostics[0].line


def test_a_line_of_a_packed_header_is_quoted_at_the_user_s_line(loader):
    """`dynmon pack` puts headers into the text, with the compiler's markers around them."""
    source = """# 1 "word.h" 1
static __attribute__((always_inline)) int first_word(void *at)
{
	return *(int *)at;
}
# 2 "<stdin>" 2
SEC("tc") int dynmon_ingress(struct __sk_buff *ctx)
{
	return first_word((void *)(long)ctx->data);
}
"""
    with pytest.raises(VerifierError) as caught:
        loader.load(request_for(source, source=source))
    (finding,) = caught.value.diagnostics

    assert (4, "\treturn first_word((void *)(long)ctx->data);") == (finding.line, finding.source_line)
    assert finding.message.startswith("in word.h:3 (return *(int *)at;): the packet may end before")


def test_the_registers_are_told_in_words(loader):
    """Those that the reason or the refused instruction is about."""
    error = refused(loader, UNCHECKED)

    assert [
        "r0 was the result of looking up map 'counts', not yet compared with NULL; the code reads 8 bytes at offset 0"
    ] == (error.registers)
    assert error.registers == error.fields()["registers"]


OWN_END = SourcePlace(20, "", 0, 0, "")
PLACES = [
    SourcePlace(0, "/build/<stdin>", 21, 14, "\t__u32 key = ctx->len;"),
    SourcePlace(3, "/usr/include/dialect/map.h", 4, 9, "\treturn bpf_map_lookup_elem(&counts, &key);"),
    SourcePlace(6, "/build/<stdin>", 22, 3, "\tvalue->count++;"),
    SourcePlace(9, "/build/<stdin>", 23, 3, "\tvalue->count++;"),
    SourcePlace(12, "/build/<stdin>", 25, 2, "}"),
    SourcePlace(20, "/build/<stdin>", 31, 5, "\treturn *other;"),
    OWN_END,
    SourcePlace(30, "", 0, 0, ""),
]
FOOTER = "processed 9 insns (limit 1000000) max_states_per_insn 0 total_states 0 peak_states 0 mark_read 0\n"


def from_log(log, places=PLACES):
    error = verifier_error("ingress", "dynmon_ingress", textwrap.dedent(log) + FOOTER, places, "Permission denied")
    return error.reason, error.diagnostics[0].line


def test_the_line_that_calls_a_method_is_meant_not_the_one_that_declares_the_map():
    """The code of a method comes from the macro that declares its map."""
    places = [
        SourcePlace(0, "/build/<stdin>", 4, 10, ""),
        SourcePlace(3, "/build/<stdin>", 1, 1, ""),
        OWN_END,
    ]
    log = """\
        ; @ <stdin>:4
        0: (b7) r1 = 2                        ; R1=2
        ; @ <stdin>:1
        3: (85) call bpf_map_update_elem#2
        R3 type=scalar expected=fp, pkt
        """
    source = "BPF_HASH(N, u32);\nint f()\n{\n\tN.update(&k, one);\n}\n"
    error = verifier_error("ingress", "p", textwrap.dedent(log) + FOOTER, places, "no", source)

    assert (4, "\tN.update(&k, one);") == (error.diagnostics[0].line, error.diagnostics[0].source_line)
    assert "&key" in error.hint


def test_the_old_format_gives_the_line_by_its_text_and_instruction():
    """Before Linux 6.10 the log has the text alone; of two equal lines the instruction tells which."""
    log = """\
        func#0 @0
        0: R1=ctx(id=0,off=0,imm=0) R10=fp0
        ; __u32 key = ctx->len;
        0: (61) r1 = *(u32 *)(r1 +0)
        ; value->count++;
        9: (79) r1 = *(u64 *)(r0 +0)
        R0 invalid mem access 'map_value_or_null'
        """

    assert ("R0 invalid mem access 'map_value_or_null'", 23) == from_log(log)


def test_the_old_format_in_a_header_gives_the_user_s_line_before():
    """The text of a header's line is none of the user's."""
    log = """\
        ; __u32 key = ctx->len;
        0: (61) r1 = *(u32 *)(r1 +0)
        ; return bpf_map_lookup_elem(&counts, &key);
        3: (85) call bpf_map_lookup_elem#1
        invalid indirect read from stack R2 off -4+0 size 4
        """

    assert ("invalid indirect read from stack R2 off -4+0 size 4", 21) == from_log(log)


def test_the_old_format_in_a_subprogram():
    """Its instructions have numbers that no line record has; the text does."""
    log = """\
        ; return *other;
        40: (79) r0 = *(u64 *)(r0 +0)
        R0 invalid mem access 'inv'
        """

    assert ("R0 invalid mem access 'inv'", 31) == from_log(log)


def test_the_old_format_without_texts_goes_by_instructions():
    """Objects whose source is not embedded; a subprogram has numbers of its own behind the program's."""
    silent = [SourcePlace(each.instruction, each.file, each.line, each.column, "") for each in PLACES]
    log = """\
        ;
        9: (79) r1 = *(u64 *)(r0 +0)
        ;
        10: (79) r1 = *(u64 *)(r0 +0)
        R0 invalid mem access 'inv'
        """

    assert ("R0 invalid mem access 'inv'", 23) == from_log(log, silent)
    for first, line in ((21, 31), (40, 0)):
        moved = log.replace("9: (", f"{first}: (").replace("10: (", f"{first + 1}: (")
        assert ("R0 invalid mem access 'inv'", line) == from_log(moved, silent)


def test_the_old_format_without_texts_has_no_line_of_them_in_the_reason():
    """Of a line without a text, only the semicolon is left."""
    log = """\
        9: (79) r1 = *(u64 *)(r0 +0)
        ;
        ;
        infinite loop detected at insn 9
        """

    assert ("infinite loop detected at insn 9", 23) == from_log(log)


def test_the_old_format_has_the_refused_declaration_of_a_function():
    """Before Linux 6.8 it is refused before any instruction."""
    log = """\
        Validating first_byte() func#1...
        arg#0 reference type('UNKNOWN ') size cannot be determined: -22
        """
    source = "int first_byte(void *data);\nint first_byte(void *data)\n{\n\treturn 0;\n}\n"
    error = verifier_error("ingress", "p", textwrap.dedent(log) + FOOTER, PLACES, "no", source)

    assert (2, "int first_byte(void *data)") == (error.diagnostics[0].line, error.diagnostics[0].source_line)


def test_the_new_format_names_file_and_line():
    """Since Linux 6.10; the header's line is skipped."""
    log = """\
        0: (61) r1 = *(u32 *)(r1 +0)          ; R1_w=scalar()
        ; value->count++; @ <stdin>:22
        6: (79) r1 = *(u64 *)(r0 +0)          ; R0=map_value() R1_w=scalar()
        ; return bpf_map_lookup_elem(&counts, &key); @ map.h:4
        7: (85) call bpf_map_lookup_elem#1
        R2 !read_ok
        """

    assert ("R2 !read_ok", 22) == from_log(log)


def test_another_way_through_the_program_is_not_taken_for_this_one():
    """Behind "from 4 to 9" the lines before are of another branch."""
    log = """\
        ; __u32 key = ctx->len; @ <stdin>:21
        0: (61) r1 = *(u32 *)(r1 +0)
        ; } @ <stdin>:25
        12: (95) exit

        from 4 to 9: R0=scalar() R10=fp0
        9: (79) r1 = *(u64 *)(r0 +0)
        R0 invalid mem access 'scalar'
        """

    assert ("R0 invalid mem access 'scalar'", 23) == from_log(log)


def test_an_instruction_that_was_never_walked_is_found_by_its_number():
    """The verifier checks the shape of the program first."""
    assert ("unreachable insn 7", 22) == from_log("unreachable insn 7\n")


def test_a_log_without_a_reason_falls_back_to_the_errno():
    """Better than nothing."""
    assert ("Permission denied", 0) == from_log("")


FUNCTIONS = """
#define FUNCTION(NAME, CALLS) \\
	static __attribute__((noinline)) int NAME(int x) { asm volatile("" : "+r"(x)); return x + CALLS; }
FUNCTION(fourth, 4)
FUNCTION(second, 2)
FUNCTION(first, second(x) + fourth(x))
FUNCTION(third, second(x + 1))
FUNCTION(unused, 1)

SEC("tc") int other(struct __sk_buff *ctx)
{
	return unused(ctx->len);
}

SEC("tc") int dynmon_ingress(struct __sk_buff *ctx)
{
	return third(ctx->len) + first(ctx->len) + fourth(ctx->mark);
}
"""


def test_functions_are_told_from_their_numbers_in_the_kernel(load):
    """Each comes behind what is there when its first call is found, as libbpf puts them together."""
    loaded = load(FUNCTIONS)
    dumped = run("bpftool", "prog", "dump", "xlated", "id", str(loaded.program.id))
    layout = Code(Elf.parse(compile_c(FUNCTIONS))).layout("dynmon_ingress")

    assert ["dynmon_ingress", "third", "second", "first", "fourth"] == [each.name for each in layout]
    assert [each.name for each in layout] == re.findall(r"^\w.*?(\w+)\(.*\):$", dumped, re.MULTILINE)
    for name, number in [(each.name, number) for each, number in layout.items()]:
        assert re.search(rf"^\w.*\b{name}\(.*\):\n(;.*\n)?\s*{number}: ", dumped, re.MULTILINE), name
