"""What the verifier's reasons mean in the words of who wrote the code, and what to write instead.

The kernel's sentences change a little with every release; a pattern has those of all since 5.4. In `words` and `hint`,
{name} is a group of the pattern or one of the facts: `map` (map 'FLOWS'), `variable` (what the lookup was put into) and
`looked_up` (the line it was on).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

TRACING_HELPERS = (
    r"bpf_(?:probe_\w+|get_current_\w+|get_stack\w*|perf_event_read\w*|perf_prog_read_value|override_return"
    r"|send_signal\w*"
    r"|get_attach_cookie|get_func_\w+|read_branch_records|copy_from_user\w*|d_path|current_task_under_cgroup)"
)
NO_SUCH_HELPER = r"(?:unknown func|program of this type cannot use helper) "


@dataclass(frozen=True, slots=True)
class Rule:
    """A reason of the kernel's, in other words; without words the kernel's own are told alone."""

    pattern: re.Pattern[str]
    words: str
    hint: str


def _rule(pattern: str, words: str, hint: str) -> Rule:
    return Rule(re.compile(pattern), words, hint)


# The first that matches is told, so what is special stands before what is general.
RULES = (
    # Pointers that may be NULL.
    _rule(
        r"invalid mem access 'map_value_or_null'|arithmetic on map_value_or_null",
        "{variable} may be NULL: the result of looking up {map}{looked_up} is used without a comparison",
        "write if (!{variable}) return RX_OK; (in libbpf C the verdict that lets pass) before it is used",
    ),
    _rule(
        r"invalid mem access '(?:ringbuf|alloc)_mem_or_null'",
        "the reserved memory may be NULL: it is used without a comparison",
        "compare what bpf_ringbuf_reserve returned with NULL first; it does so when the ring buffer is full",
    ),
    _rule(
        r"invalid mem access 'mem_or_null'",
        "a pointer that a function takes may be NULL: a function that is not static is checked for all arguments",
        "compare it with NULL in the function, or make that static __always_inline",
    ),
    _rule(
        r"'\w+_or_null'|arithmetic on \w+_or_null|Possibly NULL pointer",
        "a pointer may be NULL: it is used without a comparison",
        "compare it with NULL first",
    ),
    # Packets.
    _rule(
        r"invalid access to packet|offset is outside of the packet",
        "the packet may end before the bytes that are accessed here",
        "compare the end of what is accessed with data_end first: if (data + N > data_end) return RX_OK; "
        "where data is (void *)(long)ctx->data, and data_end alike",
    ),
    _rule(
        r"math between pkt pointer and|(?:value -?\d+|offset -?\d+) makes pkt pointer be out of bounds",
        "a pointer into the packet is moved by a number without a bound",
        "keep the number small before it is added (n &= 0x3f; or if (n > 60) return RX_OK;), and compare the moved "
        "pointer with data_end again",
    ),
    _rule(
        r"invalid mem access 'pkt_end'|arithmetic on pkt_end",
        "data_end is no place to read from: it is one byte behind the packet",
        "read through a pointer made from ctx->data, and use data_end in comparisons only",
    ),
    _rule(
        r"(?:BPF_ATOMIC|BPF_XADD) stores into R\d+ (?P<what>\w+) is not allowed",
        "an atomic operation works on map values only, not on {what}",
        "count in a map: the packet and ctx are this CPU's alone, so that a plain addition does there",
    ),
    _rule(
        r"cannot write into packet|helper access to the packet is not allowed",
        "the packet is not accessible in this way here",
        "copy the bytes to the stack first, and give the helper that",
    ),
    # ctx.
    _rule(
        r"invalid bpf_context access",
        "ctx has no field that may be accessed like this at this kind of program",
        "use the fields of struct __sk_buff (TC) or struct xdp_md (XDP) whole, as they are declared; many cannot be "
        "written, and data and data_end are read as (void *)(long)ctx->data",
    ),
    _rule(
        r"dereference of modified ctx ptr|negative offset ctx ptr|variable ctx access",
        "ctx itself was moved before its field was read",
        "name each field (ctx->protocol); ctx is no array and takes no variable index. Fields chosen by a condition "
        "may be merged by the compiler: read them into variables first",
    ),
    _rule(
        r"same insn cannot be used with different pointers",
        "the compiler merged accesses through two kinds of pointers into one instruction",
        'keep them apart: put barrier_var(p) or asm volatile("" ::: "memory") into one of the branches',
    ),
    # Numbers used as pointers, and pointers as numbers.
    _rule(
        r"R\d+ bitwise operator (?P<operator>\S+) on pointer"
        r"|arithmetic with (?P<other_operator>\S+) operator prohibited"
        r"|pointer [+-]= pointer prohibited|subtract pointer from scalar|32-bit pointer arithmetic prohibited",
        "a pointer is computed with as if it were a number",
        "only numbers can be added to a pointer or taken from it; align or scale the number before, and subtract only "
        "pointers into the same packet",
    ),
    _rule(
        r"invalid mem access '(?:scalar|inv)'",
        "what is used as a pointer is a number, or a pointer the kernel does not know",
        "packets are read through (void *)(long)ctx->data, kernel memory through bpf_probe_read_kernel or "
        "BPF_CORE_READ "
        "(tracing programs only), and a pointer kept in a map or cut to 32 bits is a number",
    ),
    _rule(
        r"type=\w+ expected=\w*map_ptr|expected pointer to map|invalid map_ptr",
        "the helper wants a map here",
        "give it the address of the map's declaration: &NAME in libbpf C; in the dialect use the methods, "
        "NAME.lookup(&key)",
    ),
    _rule(
        r"R\d+ type=(?:scalar|inv) expected=fp",
        "the helper wants the address of something here, not the thing",
        "put an & before it: NAME.update(&key, &value)",
    ),
    _rule(
        r"type=\w+ expected=\w*(?:ringbuf_mem|sock)|reference has not been acquired|must be referenced",
        "something is given back that was not taken, or that was given back before",
        "give back what bpf_ringbuf_reserve or bpf_sk_lookup_* returned once, after comparing it with NULL",
    ),
    _rule(
        r"R\d+ type=fp expected=ctx",
        "the helper wants ctx itself, not an address on the stack",
        "give it the ctx of handle_rx; in a passive cube at XDP that is a copy for no helper: read through ctx->data",
    ),
    _rule(
        r"R\d+ type=(?P<type>\w+) expected=(?P<expected>[\w, ]+)",
        "an argument is of the kind {type}, where the helper takes only {expected}",
        "see the declaration of the helper in bpf/bpf_helper_defs.h; keys and values are copied to the stack first",
    ),
    _rule(
        r"cannot pass map_type (?P<type>\d+) into func (?P<helper>\w+)#",
        "{helper} does not work on a map of this type",
        "queues and stacks have push, pop and peek; arrays and hashes lookup and update; a program array has tail "
        "calls",
    ),
    # Memory of known size: map values, the stack, the ring buffer.
    _rule(
        r"invalid access to map value, value_size=(?P<size>\d+) off=(?P<offset>-?\d+) size=(?P<length>\d+)",
        "a value of {map} has {size} bytes, and {length} are accessed at offset {offset}",
        "compare the index with the length of the array first: if (i >= LENGTH) return RX_OK; or give the value more "
        "room",
    ),
    _rule(
        r"invalid access to memory, mem_size=(?P<size>\d+) off=(?P<offset>-?\d+) size=(?P<length>\d+)",
        "there are {size} bytes, and {length} are accessed at offset {offset}",
        "reserve sizeof() of what is stored, and stay within it",
    ),
    _rule(
        r"invalid (?:variable-offset |indirect |unbounded variable-offset )*"
        r"(?:read from|write to|access to|indirect access to) stack R10 off=?\s?-(?:51[3-9]|5[2-9]\d|[6-9]\d\d|\d{4,})"
        r"|combined stack size|stack frame size",
        "more than 512 bytes of stack are used, by the program and what it calls together",
        "move large variables into an array map with one entry, BPF_PERCPU_ARRAY(SCRATCH, struct big, 1)",
    ),
    _rule(
        r"invalid (?:indirect )?read from stack|invalid indirect access to stack .*uninit|invalid stack type",
        "bytes of the stack are read that were never written: the gaps between the members of a struct count",
        "set the whole variable first: struct key k = {{}}; and add members where the compiler leaves gaps (__u16 "
        "pad;)",
    ),
    _rule(
        r"(?:invalid (?:unbounded )?variable-offset|variable stack|invalid (?:write to|access to|stack))",
        "an index leads outside of a variable on the stack",
        "compare the index with the length of the array right before it is used: if (i < LENGTH)",
    ),
    _rule(
        r"unbounded memory access|min value is negative|invalid negative size|outside of the allowed memory range"
        r"|max value is outside|makes map_value pointer be out of bounds|math between \w+ pointer and",
        "a number is used as an index, offset or length, and nothing says how large or small it can be",
        "make it unsigned and bound it right before: if (i >= LENGTH) return RX_OK; or i &= LENGTH - 1; where LENGTH "
        "is "
        "a power of two",
    ),
    _rule(
        r"invalid zero-sized read|R\d+ is not a known constant|must be a (?:known )?constant|tnum_is_const",
        "a length that the helper takes may be zero, or has to be a constant",
        "give a constant such as sizeof(value), or bound it from below too: if (n < 1) return RX_OK;",
    ),
    _rule(
        r"misaligned (?P<kind>\w+ )?(?:access|stack access)",
        "a number is accessed at an address that is no multiple of its size",
        "copy it out with __builtin_memcpy(&x, p, sizeof(x)), or put members of structs at multiples of their size",
    ),
    # Values that are not there.
    _rule(
        r"R0 !read_ok",
        "the program or function can end without a return value",
        "return a verdict on every way through: return RX_OK; at the end of handle_rx",
    ),
    _rule(
        r"R\d+ !read_ok",
        "a value is used that was never set on this way through the program",
        "set the variable where it is declared, and give functions all the arguments that they take; a call changes r1 "
        "to "
        "r5, which matters to assembly",
    ),
    # Size and loops.
    _rule(
        r"program is too large|too many (?:insns|instructions)|sequence of \d+ jumps is too complex"
        r"|BPF program is too complex",
        "the verifier gave up: it followed a million instructions, or 8192 branches not yet decided",
        "do less in loops: a smaller bound, fewer if inside, or bpf_loop(), whose body is checked once; parts in "
        "__noinline functions that are not static are checked by themselves",
    ),
    _rule(
        r"infinite loop detected|back-edge|loop detected",
        "a loop has no end that the verifier can see",
        "count with a variable that only the loop changes, up to a constant: for (int i = 0; i < 32; i++), with a "
        "break "
        "where the rest is done",
    ),
    # Calls.
    _rule(
        r"recursive call|call stack of \d+ frames is too deep",
        "functions call each other deeper than 8 levels, or themselves",
        "write a loop with a constant bound in place of the recursion, or mark functions static __always_inline",
    ),
    _rule(
        r"CO-RE relocation <\w+> \[\d+\] (?P<what>(?:struct|union|enum) [\w.]+)",
        "this kernel has no {what}, which the code reads",
        "ask first with if (bpf_core_field_exists(p->field)), or compile against the vmlinux.h of this kernel",
    ),
    _rule(
        r"invalid func unknown#195896080|call unknown#195896080",
        "the code reads a field or type of the kernel that this kernel does not have (libbpf left a call that cannot "
        "be "
        "made in its place)",
        "ask first with if (bpf_core_field_exists(p->field)), or compile against the vmlinux.h of this kernel",
    ),
    _rule(
        r"cannot call GPL-restricted function",
        "a helper is used that only code under the GPL may call",
        'say so, if it is: char LICENSE[] SEC("license") = "GPL"; (dialect code is compiled with it)',
    ),
    _rule(
        NO_SUCH_HELPER
        + r"(?P<helper>bpf_(?:skb|clone_redirect|csum_level|l[34]_csum|set_hash|get_hash|get_route)\w*)#",
        "{helper} is there for TC programs only, which have a struct __sk_buff",
        "make the cube of type TC, or read and write the packet through data and data_end",
    ),
    _rule(
        NO_SUCH_HELPER + r"(?P<helper>bpf_xdp_\w+)#",
        "{helper} is there for XDP programs only",
        "make the cube of type XDP_SKB or XDP_DRV; its egress path runs at TC all the same",
    ),
    _rule(
        NO_SUCH_HELPER + rf"(?P<helper>{TRACING_HELPERS})#",
        "{helper} is there for tracing programs only: a packet belongs to no process",
        "tell packets apart by what is in them, or by ctx->mark and bpf_skb_cgroup_id (TC, egress)",
    ),
    _rule(
        NO_SUCH_HELPER + r"(?P<helper>\w+)#",
        "{helper} is not there for this type of program, or not in this kernel",
        "bpftool feature probe lists the helpers of each program type (sched_cls is TC, xdp is XDP)",
    ),
    _rule(
        r"(?:calling kernel function|kernel function|call to kernel function) (?P<name>\w+)?.*not allowed"
        r"|must be sleepable|might sleep|helper call is not allowed",
        "the kernel function is not there for this type of program",
        "TC and XDP programs may call only what the kernel registers for them, and nothing that can sleep",
    ),
    _rule(
        r"failed to find the address for kernel symbol '(?P<name>\w+)'",
        "this kernel does not tell where its variable {name} is",
        "do without it, or use a kernel that was built with CONFIG_KALLSYMS_ALL",
    ),
    _rule(
        r"arg#?\d+ .*|Arg#\d+|Global function \w+\(\)|[Cc]aller passes invalid args",
        "the arguments or the result of a function that is checked by itself are of a kind that it cannot have",
        "make the function static __always_inline, or let it take ctx, numbers and pointers to structs (which it "
        "compares "
        "with NULL) and return an int",
    ),
    # What is not given back.
    _rule(
        r"Unreleased reference|would lead to reference leak|reference leak",
        "what was taken is not given back on every way out",
        "call bpf_ringbuf_submit or bpf_ringbuf_discard (bpf_sk_release for a socket) before each return",
    ),
    _rule(
        r"bpf_spin_(?:un)?lock|spin_lock|holding a lock|[\"']?-ed region",
        "a spin lock is held too long, or used otherwise than the kernel wants",
        "between bpf_spin_lock and bpf_spin_unlock of the same map value, call nothing and do not return; the lock is "
        "a "
        "member struct bpf_spin_lock of the value, which nothing else reads or writes",
    ),
    # What may not be written.
    _rule(
        r"(?P<what>write into|read into|read from) map forbidden|cannot write into \w+|read-only|rdonly",
        "it cannot be written: constants and read-only maps do not change while code runs",
        "leave out const for a variable that changes; give a const volatile its value with constants in the "
        "configuration",
    ),
    _rule(
        r"string is not zero-terminated|[Ii]nvalid format string|fmt string|invalid fmt",
        "the format is none that the kernel can print",
        "use %d %u %x %llu %p %s and %pI4 with an argument each, in a literal that ends there; pcn_log takes %I and %M "
        "too",
    ),
    _rule(
        r"leaks addr",
        "the address of something in the kernel would be given away",
        "store or return numbers, not pointers",
    ),
    _rule(
        r"At program exit the register R0|At subprogram exit the register R0",
        "the return value is none that this type of program may return",
        "return one of the verdicts: RX_OK or RX_DROP, TC_ACT_*, XDP_*",
    ),
    # Shapes that only assembly or another compiler makes.
    _rule(
        r"unreachable insn|jump out of range|last insn is not an exit or jmp|fallthrough",
        "the instructions do not hang together: some are never reached, or the program runs out at its end",
        "this comes of assembly, __builtin_unreachable(), a loop without an end, or a function without a return: "
        "return "
        "a verdict at the end",
    ),
    _rule(
        r"div by zero|division by zero|invalid shift",
        "a number is divided by the constant zero, or shifted by more bits than it has",
        "correct the constant: the compiler saw it too",
    ),
    _rule(
        r"frame pointer is read only|unknown opcode|reserved fields|is invalid insn",
        "an instruction is none that this kernel has",
        "compile with clang -target bpf -mcpu=v3 (older kernels: v2), and leave assembly out",
    ),
)


def explain(reason: str, facts: Mapping[str, str], rules: Sequence[Rule] = RULES) -> tuple[str, str]:
    """The reason in other words, and what to do about it; "" twice where nothing is known."""
    for rule in rules:
        if found := rule.pattern.search(reason):
            known = {**facts, **found.groupdict(default="")}
            return rule.words.format_map(known), rule.hint.format_map(known)
    return "", ""
