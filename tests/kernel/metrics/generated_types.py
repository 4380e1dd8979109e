"""C types, made up by hypothesis.

Enums have four bytes: a smaller one at the end of a struct with bit-fields makes the kernel refuse the whole BTF, since
btf_enum_check_kflag_member takes every enum for an int (Linux 6.18). bpftool, which we are compared with, has no types
then.
"""

from hypothesis import strategies as st

NUMBERS = [
    "char", "signed char", "u8", "short", "u16", "int", "u32", "long", "unsigned long", "long long", "u64",
    "__int128", "unsigned __int128", "_Bool", "void *", "const volatile u32", "tick", "enum color", "enum depth",
]  # fmt: skip
BIT_FIELDS = {"int": 32, "u32": 32, "u64": 64, "long long": 64, "u8": 8, "char": 8, "_Bool": 1, "enum color": 32}
ENUMERATORS = {"RED": 0, "GREEN": 1, "BLUE": 7, "ABYSS": -5, "SHORE": 0, "HILL": 9}
DECLARATIONS = """
typedef const u16 tick_base; typedef tick_base tick;
enum color { RED = 0, GREEN = 1, BLUE = 7 };
enum depth { ABYSS = -5, SHORE = 0, HILL = 9 };
"""

dimensions = st.lists(st.integers(1, 3), max_size=2).map(lambda counts: "".join(f"[{count}]" for count in counts))


class Names:
    """A new name for each member of a whole type, for anonymous ones share their parent's names; ``e1`` is an enum."""

    def __init__(self):
        self.count = 0

    def __call__(self, type_name=""):
        self.count += 1
        return f"{'e' if type_name.startswith('enum') else 'm'}{self.count}"


def member(draw, names, depth):
    """One member declaration."""
    kind = draw(st.sampled_from(["number", "number", "bits", "bits", "record", "anonymous"]))
    if depth > 2 and kind in ("record", "anonymous"):
        kind = "number"
    if kind == "number":
        type_name = draw(st.sampled_from(NUMBERS))
        return f"{type_name} {names(type_name)}{draw(dimensions)};"
    if kind == "bits":
        type_name = draw(st.sampled_from(sorted(BIT_FIELDS)))
        return f"{type_name} {names(type_name)} : {draw(st.integers(1, BIT_FIELDS[type_name]))};"
    body = record(draw, names, depth + 1)
    return f"{body};" if kind == "anonymous" else f"{body} {names()}{draw(dimensions)};"


def record(draw, names, depth, name=""):
    """A struct or union of up to five members."""
    word = draw(st.sampled_from(["struct", "struct", "union"]))
    packed = draw(st.sampled_from(["", "", " __attribute__((packed))"]))
    members = [member(draw, names, depth) for _ in range(draw(st.integers(1, 5)))]
    return f"{word} {name} {{ {' '.join(members)} }}{packed}"


@st.composite
def struct_definitions(draw, name):
    """The definition of ``struct NAME``, never empty, sometimes with a flexible array at its end."""
    names = Names()
    members = [member(draw, names, 0) for _ in range(draw(st.integers(1, 6)))]
    tail = draw(st.sampled_from(["", "", f"u16 {names()}[];"]))
    packed = draw(st.sampled_from(["", " __attribute__((packed))"]))
    return f"struct {name} {{ u8 first; {' '.join(members)} {tail} }}{packed};"
