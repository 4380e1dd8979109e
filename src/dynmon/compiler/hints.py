"""What to write instead of what clang refused: the mistakes that are made again and again."""

from __future__ import annotations

import re
from collections.abc import Sequence

from dynmon.bpf.names import header_of, hint_for_function

KERNEL_TYPES = re.compile(r"[us](?:8|16|32|64)$")
# What clang says of a name or a struct that it has not seen.
UNKNOWN = re.compile(
    r"(?:undeclared identifier|unknown type name"
    r"|incomplete (?:definition of )?type|invalid use of undefined type|^function) '(?:struct )?(?P<name>\w+)'"
    r"(?! has)"
)
# What clang says of a macro with the wrong arguments: not always that.
MISUSED = re.compile(
    r"arguments provided to function-like macro|^expected (?:'\)'|identifier or '\(')|^called object type 'int'"
    r"|empty string literal in 'asm'"
)
MACROS = tuple(
    (re.compile(rf"\b(?:{names})\s*\("), hint)
    for names, hint in (
        ("pcn_log", "pcn_log takes a format and at most four arguments: say it in two lines, or leave some out"),
        (
            "bpf_printk",
            "bpf_printk takes a format and at most twelve arguments: say it in two lines, or leave some out",
        ),
        ("BPF_(?:PERCPU_)?ARRAY", "an array is declared as BPF_ARRAY(NAME, leaf type, entries)"),
        ("BPF_(?:PERCPU_)?HASH", "a hash is declared as BPF_HASH(NAME, key type, leaf type, entries)"),
        ("BPF_LPM_TRIE", "a trie is declared as BPF_LPM_TRIE(NAME, key type, leaf type, entries)"),
        ("BPF_HISTOGRAM", "a histogram is declared as BPF_HISTOGRAM(NAME, key type, buckets)"),
        ("BPF_(?:QUEUE|STACK)", "a queue is declared as BPF_QUEUE(NAME, leaf type, entries), a stack with BPF_STACK"),
        ("BPF_TABLE", 'a map is declared as BPF_TABLE("hash", key type, leaf type, NAME, entries)'),
    )
)
NOT_INLINED = "mark the function static __always_inline, or give it a pointer to a struct"
HINTS = tuple(
    (re.compile(pattern), hint)
    for pattern, hint in (
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
            r"incomplete type 'struct bpf_map_def'",
            "maps of struct bpf_map_def are gone since libbpf 1.0, declare it as: struct { __uint(type, "
            "BPF_MAP_TYPE_HASH); __uint(max_entries, 1024); __type(key, __u32); __type(value, __u64); } NAME "
            'SEC(".maps");',
        ),
        (
            r"license changed binding|symbol 'license' is already defined",
            'call it otherwise than its section: char LICENSE[] SEC("license") = "GPL";',
        ),
        (
            r"loop not unrolled",
            "give the loop a constant bound, or leave the pragma out: Linux 5.3 and later verify loops as they are",
        ),
        (
            r"bytes of stack|stack frame size|variable on the stack",
            "there are 512 bytes of stack, in constant sizes: move what is large into BPF_PERCPU_ARRAY(SCRATCH, struct "
            "big, 1)",
        ),
        (
            r"more than 5 arguments|returns a struct|variable number of arguments",
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
        (
            r"too many arguments provided to function-like macro",
            "leave some out, or put what has commas of its own in parentheses",
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
        return "vmlinux.h has this name: leave out the linux/ headers, or give what is yours another name"
    if "pcn_log" in source_line and "expected ')'" in message:
        return 'the format of pcn_log has to be a literal: pcn_log(ctx, LOG_INFO, "%d", n)'
    if "printk" in source_line and "more than 5 arguments" in message:
        return "it takes a format and at most three arguments in the dialect: say it in two lines, or leave some out"
    if MISUSED.search(message) and (hint := _first(MACROS, source_line)):
        return hint
    if hint := _first(HINTS, message):
        return hint
    unknown = UNKNOWN.search(message)
    return _hint_for_name(unknown["name"], source_line) if unknown else ""


def _first(hints: Sequence[tuple[re.Pattern[str], str]], text: str) -> str:
    return next((hint for pattern, hint in hints if pattern.search(text)), "")


def _hint_for_name(name: str, source_line: str) -> str:
    if missing := hint_for_function(name):
        return missing
    if re.search(rf"\b{name}\s*\.\s*\w+\s*\(", source_line):
        return f"declare the map above: BPF_HASH({name}, key type, value type, entries);"
    if KERNEL_TYPES.match(name):
        return f"write __{name}, which linux/types.h has; {name} is the dialect's word"
    header = header_of(name)
    return f"names like this come from #include <{header}>" if header else ""
