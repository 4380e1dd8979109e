"""What the registers held when the verifier stopped, in words.

The log says it behind each instruction, for the registers that it touched, and for all of them where another way
through the program begins:

    5: (71) r1 = *(u8 *)(r1 +22)          ; R1=scalar(smin=0,smax=umax=255,var_off=(0x0; 0xff))
    from 4 to 9: R0=scalar() R1=pkt(off=14,r=14) R10=fp0

Before Linux 6.0 a number is called ``inv`` and a limit ``umax_value``; before 5.16 most instructions say nothing, so
that what they write to is unknown from there on.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

STEP = re.compile(r"^\d+: \([0-9a-f]{2}\) ")
TOLD = re.compile(r"\s*(?:frame\d+: )?\s*(?:R\d|fp-)")
WHOLE_STATE = re.compile(r"^(?:from \d+ to \d+(?: \(speculative execution\))?|\d+): (?P<states>(?:frame\d+: )?R\d.*)$")
UNMADE = re.compile(r"^\d+: <invalid ")
FRAME = re.compile(r"frame(\d+): ")
REGISTER = re.compile(r"\bR(\d+)(?:_\w+)?=(.*?)(?=\s+(?:R\d+(?:_\w+)?=|fp-?\d+(?:_\w+)?=|refs=|cb\b)|$)")
NAMED = re.compile(r"\bR(\d+)\b")
OPERAND = re.compile(r"\b[rw](\d+)\b")
WRITTEN = re.compile(r"^[rw](\d+) ")
MEMORY = re.compile(r"\*\([us](?P<bits>8|16|32|64) \*\)\(r(?P<base>\d+) (?P<offset>[+-]\d+)\)")
PACKET_POINTER = re.compile(r"invalid access to packet.* R(?P<number>\d+)\((?P<attributes>id=\d+,off=-?\d+,r=\d+)\)")
CALL = re.compile(r"^call (?:(?P<helper>\w+)#|)")
STATE = re.compile(r"^(?P<kind>[A-Za-z_]*?)(?P<number>P?-?(?:0x[0-9a-f]+|\d+))?(?:\((?P<attributes>.*)\))?$")
LIMIT_KEYS = ("smin", "smax", "umin", "umax")
NUMBERS = ("", "inv", "scalar")
# A limit above is none that the code set.
MEANINGFUL = 1 << 62
FRAME_POINTER = 10
CALLER_SAVED = range(6)


@dataclass(frozen=True, slots=True)
class Value:
    """What the verifier knows of a register: the kind of thing, its number if it has one, what stands in brackets."""

    kind: str
    number: int | None = None
    attributes: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def parse(cls, text: str) -> Value | None:
        """The value that the log shows as `text`, None if that is of no known form."""
        found = STATE.match(text.strip())
        if not found:
            return None
        number = found["number"]
        return cls(found["kind"], int(number.lstrip("P"), 0) if number else None, _attributes(found["attributes"]))

    def integer(self, name: str) -> int | None:
        """The attribute `name` as a number."""
        try:
            return int(self.attributes[name], 0)
        except (KeyError, ValueError):
            return None


@dataclass(frozen=True, slots=True)
class Stop:
    """Where the walk ended: the instruction that was refused, and what is known of the registers before it."""

    instruction: str
    registers: Mapping[int, Value]

    @property
    def helper(self) -> str:
        """The helper that the instruction calls, "" if it is another."""
        call = CALL.match(self.instruction)
        return (call["helper"] or "") if call else ""


def last_stop(lines: Sequence[str]) -> Stop:
    """Follow the log to its end."""
    frames: dict[int, dict[int, Value]] = {0: {}}
    frame, text, is_open = 0, "", False
    for line in lines:
        if whole := WHOLE_STATE.match(line):
            frame = _frame_of(whole["states"])
            frames[frame] = dict(_values(whole["states"]))
            is_open = False
        elif UNMADE.match(line):
            text, is_open = "", False
        elif step := STEP.match(line):
            if is_open:
                _forget_written(frames[frame], text)
            written, _, states = line[step.end() :].partition(";")
            text, is_open = written.rstrip(), not TOLD.match(states)
            if not is_open:
                frame = _frame_of(states)
                frames.setdefault(frame, {}).update(_values(states))
    return Stop(text, frames[frame])


def in_words(stop: Stop, reason: str) -> list[str]:
    """A sentence for each register that the reason of the refusal or the refused instruction is about."""
    known = Stop(stop.instruction, {**stop.registers, **_packet_pointer(stop, reason)})
    sentences = (_sentence(number, known, reason) for number in _concerned(stop.instruction, reason))
    return [sentence for sentence in sentences if sentence]


def _attributes(text: str | None) -> dict[str, str]:
    """What stands in the brackets: ``smin=0,smax=umax=255`` has three of them."""
    attributes: dict[str, str] = {}
    for part in (text or "").split(","):
        *names, value = part.split("=")
        attributes |= {name.removesuffix("_value"): value for name in names}
    return attributes


def _packet_pointer(stop: Stop, reason: str) -> dict[int, Value]:
    """The pointer that a refusal describes itself, which is newer than the log: a check moves all pointers' bounds."""
    found, memory = PACKET_POINTER.search(reason), MEMORY.search(stop.instruction)
    if not found or not memory:
        return {}
    number = int(found["number"])
    before = stop.registers[number].attributes if number in stop.registers else {}
    told = _attributes(found["attributes"])
    told["off"] = str(int(told["off"]) - int(memory["offset"]))
    return {number: Value("pkt", None, {**before, **told})}


def _frame_of(states: str) -> int:
    found = FRAME.match(states.lstrip())
    return int(found[1]) if found else 0


def _values(states: str) -> Iterator[tuple[int, Value]]:
    for number, text in REGISTER.findall(states):
        if value := Value.parse(text):
            yield int(number), value


def _forget_written(registers: dict[int, Value], text: str) -> None:
    written = WRITTEN.match(text)
    for number in (int(written[1]),) if written else CALLER_SAVED if CALL.match(text) else ():
        registers.pop(number, None)


def _concerned(instruction: str, reason: str) -> list[int]:
    named = [int(number) for number in NAMED.findall(reason)]
    memory = MEMORY.search(instruction)
    if memory:
        named.append(int(memory["base"]))
    if not named:
        named = [int(number) for number in OPERAND.findall(instruction)]
    return [number for number in dict.fromkeys(named) if number != FRAME_POINTER]


def _sentence(number: int, stop: Stop, reason: str) -> str:
    value = stop.registers.get(number)
    who = f"r{number}"
    if stop.helper and number in CALLER_SAVED and number:
        who += f", argument {number} of {stop.helper},"
    if f"R{number} !read_ok" in reason:
        return f"{who} had no value: nothing was put into it on this way through the program"
    if value is None:
        return ""
    return f"{who} was {_describe(value)}{_access(number, value, stop.instruction)}"


def _access(number: int, value: Value, instruction: str) -> str:
    memory = MEMORY.search(instruction)
    if not memory or int(memory["base"]) != number or value.kind in NUMBERS:
        return ""
    verb = "reads" if instruction.startswith(("r", "w")) else "writes"
    offset = int(memory["offset"]) + (0 if value.kind == "fp" else value.integer("off") or 0)
    return f"; the code {verb} {_bytes(int(memory['bits']) // 8)} at offset {offset}"


def _describe(value: Value) -> str:
    if value.kind in NUMBERS:
        return _number(value)
    kind = value.kind.removeprefix("trusted_").removeprefix("rcu_")
    describe = DESCRIPTIONS.get(kind)
    if describe:
        return describe(value)
    if "_or_null" in kind:
        return f"a pointer ({kind}) not yet compared with NULL"
    if kind.startswith("ptr_"):
        return f"a pointer to the kernel's {kind.removeprefix('ptr_')}"
    return f"of the kind {kind!r}" if kind else "unknown"


def _number(value: Value) -> str:
    if value.number is not None:
        return f"the number {value.number}"
    smin, smax, umin, umax = (value.integer(key) for key in LIMIT_KEYS)
    if umax is not None and umax <= MEANINGFUL:
        return f"a number between {umin or 0} and {umax}"
    if smin is not None and smax is not None and -MEANINGFUL < smin and smax < MEANINGFUL:
        return f"a number between {smin} and {smax}"
    return f"a number of at least {umin}" if umin else "a number that can be anything"


def _packet(value: Value) -> str:
    known = f"{_bytes(value.integer('r') or 0)} are known to be there"
    limit = value.integer("umax")
    if value.attributes.get("id", "0") == "0" and limit is None:
        return f"a pointer into the packet of which {known}"
    span = "anything" if limit is None or limit > MEANINGFUL else f"{value.integer('umin') or 0} to {limit}"
    return f"a pointer into the packet at a variable distance from its start ({span}), from where {known}"


def _map_value(value: Value) -> str:
    size = value.integer("vs")
    variable = value.integer("umax")
    distance = f" at a variable offset (up to {variable})" if variable is not None else ""
    return f"a pointer into a value of {map_of(value)}{f' ({_bytes(size)})' if size is not None else ''}{distance}"


def _stack(value: Value) -> str:
    depth = -(value.number or value.integer("off") or 0)
    return f"a pointer to the stack, {_bytes(depth)} below its top" if depth else "a pointer to the top of the stack"


def _memory(value: Value) -> str:
    size = value.integer("sz") if value.integer("sz") is not None else value.integer("mem_size")
    return f"a pointer to {_bytes(size)} of memory" if size is not None else "a pointer to memory"


def map_of(value: Value) -> str:
    """The map that a register has to do with; kernels before 6.8 do not name it, and its sizes may fit several."""
    return map_in_words(value.attributes.get("map", ""))


def map_in_words(name: str) -> str:
    """A map as its author knows it: a section with global variables is a map only to the kernel."""
    _, point, section = name.partition(".")
    return f"the global variables (.{section})" if point else f"map {name!r}" if name else "a map"


def _bytes(count: int) -> str:
    return f"{count} byte{'' if count == 1 else 's'}"


DESCRIPTIONS: Mapping[str, Callable[[Value], str]] = {
    "pkt": _packet,
    "pkt_end": lambda _: "data_end, the end of the packet",
    "pkt_meta": lambda _: "a pointer to the metadata before the packet",
    "ctx": lambda _: "ctx, the context of the program",
    "fp": _stack,
    "map_ptr": lambda value: f"{map_of(value)} itself",
    "map_value": _map_value,
    "map_value_or_null": lambda value: f"the result of looking up {map_of(value)}, not yet compared with NULL",
    "mem": _memory,
    "ringbuf_mem": _memory,
    "alloc_mem": _memory,
    "mem_or_null": lambda value: f"{_memory(value)}, not yet compared with NULL",
    "ringbuf_mem_or_null": lambda value: f"{_memory(value)} from the ring buffer, not yet compared with NULL",
    "alloc_mem_or_null": lambda value: f"{_memory(value)}, not yet compared with NULL",
}
