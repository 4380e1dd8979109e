"""What registers held, in words: from the logs of old and new kernels."""

from __future__ import annotations

import textwrap

import pytest

from dynmon.bpf.registers import Value, in_words, last_stop


def sentences(log: str, reason: str) -> list[str]:
    return in_words(last_stop(textwrap.dedent(log).splitlines()), reason)


def test_a_packet_pointer_and_what_is_read_through_it() -> None:
    log = """\
        0: R1=ctx() R10=fp0
        0: (61) r1 = *(u32 *)(r1 +76)         ; R1_w=pkt(r=0)
        1: (71) r1 = *(u8 *)(r1 +23)
        """

    assert [
        "r1 was a pointer into the packet of which 0 bytes are known to be there; the code reads 1 byte at offset 23"
    ] == sentences(log, "invalid access to packet, off=23 size=1, R1(id=0,off=23,r=0)")


def test_the_reason_knows_better_how_much_of_the_packet_is_there() -> None:
    """A check of one pointer is good for all, which the log does not repeat."""
    log = """\
        2: (bf) r3 = r1                       ; R1=pkt(r=0) R3=pkt(r=0)
        3: (07) r3 += 14                      ; R3=pkt(off=14,r=0)
        4: (2d) if r3 > r2 goto pc+11         ; R2=pkt_end() R3=pkt(off=14,r=14)
        5: (71) r1 = *(u8 *)(r1 +22)
        """

    (sentence,) = sentences(log, "invalid access to packet, off=22 size=1, R1(id=0,off=22,r=14)")
    assert "of which 14 bytes are known to be there; the code reads 1 byte at offset 22" in sentence


def test_the_words_of_linux_5_4() -> None:
    """Numbers are `inv`, limits end in _value, and what an instruction writes is not always told."""
    log = """\
        from 4 to 9: R0=map_value(id=0,off=0,ks=4,vs=64,imm=0) R1=inv(id=0,umax_value=255) R2=inv5 R10=fp0
        9: (bf) r2 = r3
        10: (61) r3 = *(u32 *)(r0 +0)
        """

    assert [
        "r1 was a number between 0 and 255",
        "r0 was a pointer into a value of a map (64 bytes); the code reads 4 bytes at offset 0",
    ] == sentences(log, "R1 R2")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("0x28b0ab", "the number 2666667"),
        ("P14", "the number 14"),
        ("invP-1", "the number -1"),
        ("scalar()", "a number that can be anything"),
        ("scalar(umax=255,var_off=(0x0; 0xff))", "a number between 0 and 255"),
        ("scalar(smin=0,smax=umax=65535,var_off=(0x0; 0xffff))", "a number between 0 and 65535"),
        ("scalar(smin=-16,smax=15)", "a number between -16 and 15"),
        ("scalar(umin=100)", "a number of at least 100"),
        ("inv(id=0,umin_value=2,umax_value=9)", "a number between 2 and 9"),
        ("ctx(id=0,off=0,imm=0)", "ctx, the context of the program"),
        ("pkt_end(id=0,off=0,imm=0)", "data_end, the end of the packet"),
        ("fp-8", "a pointer to the stack, 8 bytes below its top"),
        ("fp0", "a pointer to the top of the stack"),
        ("fp(off=-32,umax=9)", "a pointer to the stack, 32 bytes below its top"),
        ("map_ptr(map=flows,ks=4,vs=8)", "map 'flows' itself"),
        ("map_value_or_null(id=1,off=0,ks=4,vs=8,imm=0)", "the result of looking up a map, not yet compared with NULL"),
        (
            "map_value_or_null(id=1,map=flows,ks=4,vs=8)",
            "the result of looking up map 'flows', not yet compared with NULL",
        ),
        ("map_value(map=dynmon.rodata,ks=4,vs=1)", "a pointer into a value of the global variables (.rodata) (1 byte)"),
        (
            "map_value(map=m,ks=4,vs=64,umax=99)",
            "a pointer into a value of map 'm' (64 bytes) at a variable offset (up to 99)",
        ),
        (
            "pkt(id=2,off=14,r=0,umin=20,umax=60)",
            "a pointer into the packet at a variable distance from its start (20 to 60), from where 0 bytes are known "
            "to be there",
        ),
        (
            "pkt(id=2,off=14,r=8)",
            "a pointer into the packet at a variable distance from its start (anything), "
            "from where 8 bytes are known to be there",
        ),
        ("pkt_meta(r=0)", "a pointer to the metadata before the packet"),
        ("ringbuf_mem(ref_obj_id=2,sz=16)", "a pointer to 16 bytes of memory"),
        ("mem(id=0,ref_obj_id=0,off=0,imm=0)", "a pointer to memory"),
        (
            "ringbuf_mem_or_null(id=2,ref_obj_id=2,sz=8)",
            "a pointer to 8 bytes of memory from the ring buffer, not yet compared with NULL",
        ),
        ("mem_or_null(id=1,sz=8)", "a pointer to 8 bytes of memory, not yet compared with NULL"),
        ("rcu_ptr_or_null_task_struct(id=1)", "a pointer (ptr_or_null_task_struct) not yet compared with NULL"),
        ("sock_common_or_null(id=1)", "a pointer (sock_common_or_null) not yet compared with NULL"),
        ("trusted_ptr_sock()", "a pointer to the kernel's sock"),
    ],
)
def test_a_value_in_words(text: str, words: str) -> None:
    assert [f"r1 was {words}"] == sentences(f"0: (b7) r6 = 1   ; R1_w={text} R10=fp0\n1: (bf) r7 = r8", "R1")


def test_an_argument_is_named_with_its_helper() -> None:
    log = "0: (b7) r3 = 1     ; R3_w=1\n8: (85) call bpf_map_update_elem#2\n"

    assert ["r3, argument 3 of bpf_map_update_elem, was the number 1"] == sentences(log, "R3 type=scalar expected=fp")


def test_a_call_and_an_assignment_without_a_told_result_are_forgotten() -> None:
    log = """\
        0: (b7) r2 = 1     ; R1_w=ctx() R2_w=1 R6_w=7
        1: (85) call bpf_ktime_get_ns#5
        2: (bf) r6 = r0
        3: (bf) r7 = r2
        """

    assert [] == sentences(log, "R6 is told wrong")
    assert ["r2 had no value: nothing was put into it on this way through the program"] == sentences(log, "R2 !read_ok")


def test_a_called_function_has_registers_of_its_own() -> None:
    log = """\
        0: (b7) r1 = 1                        ; R1_w=1
        1: (85) call pc+2
        caller:
         R10=fp0
        callee:
         frame1: R1=5 R10=fp0
        4: (bf) r6 = r1                       ; frame1: R1=5 R6_w=5
        5: (0f) r6 += r1
        """

    assert ["r6 was the number 5", "r1 was the number 5"] == sentences(log, "something")


def test_a_log_of_nothing_has_no_sentence() -> None:
    assert [] == sentences("", "unreachable insn 7")
    assert Value.parse("?what?") is None
