"""What it means when the kernel refuses the proof that code is passive: it took the same code at its hook before."""

from __future__ import annotations

import re

from dynmon.bpf.verifier_hints import NO_SUCH_HELPER, Rule

OTHER_CUBE = "or make a cube that is not passive"

# The first that matches is told; the last always does.
RULES = tuple(
    Rule(re.compile(pattern), words, f"{hint}, {OTHER_CUBE}" if hint else OTHER_CUBE.removeprefix("or "))
    for pattern, words, hint in (
        (
            r"cannot write into packet",
            "a passive cube may not write to the packet",
            "copy the bytes into a variable and change them there",
        ),
        (
            NO_SUCH_HELPER + r"(?P<helper>\w+)#",
            "a passive cube may not call {helper}: it is not there for programs that only look at packets",
            "read with bpf_skb_load_bytes or through ctx->data, count in maps",
        ),
        (
            r"invalid bpf_context access",
            "a passive cube may not access this field of ctx",
            "leave out data_meta, tc_classid and wire_len, and write none but mark, priority, cb and tstamp, which are "
            "put back",
        ),
        (
            r"",
            "it cannot be shown that this code only looks at packets",
            "",
        ),
    )
)
