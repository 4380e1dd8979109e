"""Reasons of kernels from 5.4 on, and the rule that explains each."""

from __future__ import annotations

import pytest

from dynmon.bpf.verifier_hints import RULES, explain

FACTS = {"map": "map 'FLOWS'", "variable": "count", "looked_up": " in line 6"}
# What the kernel said, and a part of what it means.
CAPTURED = [
    ("R0 invalid mem access 'map_value_or_null'", "count may be NULL: the result of looking up map 'FLOWS' in line 6"),
    ("R0 pointer arithmetic on map_value_or_null prohibited, null-check it first", "count may be NULL"),
    ("R6 invalid mem access 'ringbuf_mem_or_null'", "the reserved memory may be NULL"),
    ("R1 invalid mem access 'mem_or_null'", "a pointer that a function takes may be NULL"),
    ("R1 invalid mem access 'sock_or_null'", "a pointer may be NULL"),
    ("Possibly NULL pointer passed to trusted arg0", "a pointer may be NULL"),
    (
        "invalid access to packet, off=12 size=1, R1(id=0,off=12,r=0); R1 offset is outside of the packet",
        "the packet may end before",
    ),
    (
        "math between pkt pointer and register with unbounded min value is not allowed",
        "a pointer into the packet is moved by a number without a bound",
    ),
    ("value 4294967295 makes pkt pointer be out of bounds", "a pointer into the packet is moved"),
    ("R1 invalid mem access 'pkt_end'", "data_end is no place to read from"),
    ("BPF_ATOMIC stores into R1 pkt is not allowed", "an atomic operation works on map values only, not on pkt"),
    ("BPF_XADD stores into R1 ctx is not allowed", "an atomic operation works on map values only, not on ctx"),
    ("cannot write into packet", "the packet is not accessible in this way"),
    ("helper access to the packet is not allowed", "the packet is not accessible in this way"),
    ("invalid bpf_context access off=0 size=4", "ctx has no field that may be accessed like this"),
    ("dereference of modified ctx ptr R1 off=8 disallowed", "ctx itself was moved"),
    ("variable ctx access var_off=(0x0; 0xc) disallowed", "ctx itself was moved"),
    ("same insn cannot be used with different pointers", "two kinds of pointers"),
    ("R1 pointer arithmetic with <<= operator prohibited", "a pointer is computed with as if it were a number"),
    ("R2 bitwise operator &= on pointer prohibited", "a pointer is computed with as if it were a number"),
    ("R1 pointer += pointer prohibited", "a pointer is computed with as if it were a number"),
    ("R3 32-bit pointer arithmetic prohibited", "a pointer is computed with as if it were a number"),
    ("R1 invalid mem access 'inv'", "what is used as a pointer is a number"),
    ("R1 invalid mem access 'scalar'", "what is used as a pointer is a number"),
    ("R1 type=fp expected=map_ptr", "the helper wants a map here"),
    ("R3 type=inv expected=fp, pkt, pkt_meta, map_value", "the helper wants the address of something"),
    ("R1 type=scalar expected=ringbuf_mem", "something is given back that was not taken"),
    ("reference has not been acquired before", "something is given back that was not taken"),
    ("R1 type=fp expected=ctx", "the helper wants ctx itself"),
    ("R1 type=map_value expected=ctx", "an argument is of the kind map_value, where the helper takes only ctx"),
    (
        "cannot pass map_type 4 into func bpf_map_lookup_elem#1",
        "bpf_map_lookup_elem does not work on a map of this type",
    ),
    (
        "invalid access to map value, value_size=8 off=8 size=4; R0 min value is outside of the allowed memory range",
        "a value of map 'FLOWS' has 8 bytes, and 4 are accessed at offset 8",
    ),
    ("invalid access to memory, mem_size=8 off=8 size=8", "there are 8 bytes, and 8 are accessed at offset 8"),
    ("invalid write to stack R10 off=-520 size=8", "more than 512 bytes of stack"),
    ("invalid stack off=-600 size=8", "an index leads outside of a variable on the stack"),
    ("combined stack size of 2 calls is 608. Too large", "more than 512 bytes of stack"),
    ("invalid indirect read from stack R2 off -16+4 size 16", "bytes of the stack are read that were never written"),
    ("invalid read from stack off -8+0 size 8", "bytes of the stack are read that were never written"),
    ("invalid unbounded variable-offset write to stack R2", "an index leads outside of a variable on the stack"),
    ("invalid variable-offset read from stack R2 var_off=(0x0; 0xff) off=-32 size=1", "an index leads outside"),
    (
        "R1 unbounded memory access, make sure to bounds check any such access",
        "nothing says how large or small it can be",
    ),
    (
        "R4 min value is negative, either use unsigned or 'var &= const'",
        "nothing says how large or small it can be",
    ),
    ("math between map_value pointer and register with unbounded min value is not allowed", "nothing says how large"),
    ("R4 invalid zero-sized read: u64=[0,15]", "a length that the helper takes may be zero"),
    ("invalid zero-sized read", "a length that the helper takes may be zero"),
    ("misaligned stack access off 0+0+-13 size 8", "at an address that is no multiple of its size"),
    ("misaligned packet access off 2+0+14+1 size 4", "at an address that is no multiple of its size"),
    ("R0 !read_ok", "can end without a return value"),
    ("R2 !read_ok", "a value is used that was never set"),
    ("BPF program is too large. Processed 1000001 insn", "the verifier gave up"),
    ("The sequence of 8193 jumps is too complex.", "the verifier gave up"),
    ("infinite loop detected at insn 3", "a loop has no end"),
    ("back-edge from insn 11 to 5", "a loop has no end"),
    ("the call stack of 9 frames is too deep !", "functions call each other deeper than 8 levels"),
    ("recursive call from again() to again()", "functions call each other deeper than 8 levels"),
    (
        "failed to resolve CO-RE relocation <byte_off> [19] struct sk_buff___other.no_such_field (0:0 @ offset 0)",
        "this kernel has no struct sk_buff___other.no_such_field",
    ),
    ("invalid func unknown#195896080", "a field or type of the kernel that this kernel does not have"),
    ("cannot call GPL-restricted function from non-GPL compatible program", "only code under the GPL may call"),
    ("unknown func bpf_skb_store_bytes#9", "bpf_skb_store_bytes is there for TC programs only"),
    ("unknown func bpf_xdp_adjust_head#44", "bpf_xdp_adjust_head is there for XDP programs only"),
    (
        "program of this type cannot use helper bpf_xdp_adjust_tail#65",
        "bpf_xdp_adjust_tail is there for XDP programs only",
    ),
    ("unknown func bpf_get_current_comm#16", "bpf_get_current_comm is there for tracing programs only"),
    ("program of this type cannot use helper bpf_sys_close#168", "bpf_sys_close is not there for this type of program"),
    ("calling kernel function bpf_sock_destroy is not allowed", "the kernel function is not there"),
    ("program must be sleepable to call sleepable kfunc bpf_iter_task_new", "the kernel function is not there"),
    (
        "ldimm64 failed to find the address for kernel symbol 'runqueues'.",
        "this kernel does not tell where its variable runqueues is",
    ),
    (
        "arg#0 reference type('UNKNOWN ') size cannot be determined: -22; Caller passes invalid args into func#1 ('f')",
        "the arguments or the result of a function that is checked by itself",
    ),
    (
        "Global function f() doesn't return scalar. Only those are supported.",
        "the arguments or the result of a function that is checked by itself",
    ),
    ("Unreleased reference id=2 alloc_insn=5", "not given back on every way out"),
    ("BPF_EXIT instruction in main prog would lead to reference leak", "not given back on every way out"),
    ("function calls are not allowed while holding a lock", "a spin lock is held too long"),
    ("BPF_EXIT instruction in main prog cannot be used inside bpf_spin_lock-ed region", "a spin lock is held too long"),
    ("bpf_spin_unlock is missing", "a spin lock is held too long"),
    ("write into map forbidden, value_size=8 off=0 size=8", "it cannot be written"),
    ("R1 cannot write into rdonly_mem", "it cannot be written"),
    ("Invalid format string", "the format is none that the kernel can print"),
    ("string is not zero-terminated", "the format is none that the kernel can print"),
    ("R1 leaks addr into map", "the address of something in the kernel"),
    (
        "At program exit the register R0 has value (0x2; 0x0) should have been in (0x0; 0x1)",
        "the return value is none that this type of program may return",
    ),
    (
        "At program exit the register R0 has unknown scalar value should have been in [0, 1]",
        "the return value is none that this type of program may return",
    ),
    ("unreachable insn 7", "the instructions do not hang together"),
    ("jump out of range from insn 0 to 1001", "the instructions do not hang together"),
    ("last insn is not an exit or jmp", "the instructions do not hang together"),
    ("div by zero", "divided by the constant zero"),
    ("invalid shift 64", "shifted by more bits than it has"),
    ("frame pointer is read only", "an instruction is none that this kernel has"),
    ("unknown opcode c7", "an instruction is none that this kernel has"),
]


@pytest.mark.parametrize(("reason", "meaning"), CAPTURED, ids=lambda text: text[:40])
def test_a_reason_is_explained(reason: str, meaning: str) -> None:
    """In words of the code, with something to do."""
    words, hint = explain(reason, FACTS)

    assert words.startswith(meaning) or meaning in words
    assert hint
    assert not {"{", "}"} & set(words)


def test_no_rule_is_dead() -> None:
    """Each is the first to match one of these reasons."""
    chosen = {next(rule for rule in RULES if rule.pattern.search(reason)) for reason, _ in CAPTURED}

    assert [] == [rule.pattern.pattern for rule in RULES if rule not in chosen]


def test_an_unknown_reason_is_not_explained() -> None:
    """The kernel's own words are then told alone."""
    assert ("", "") == explain("something that no kernel said yet", FACTS)
