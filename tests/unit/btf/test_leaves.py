"""Each part of a value is told with its place, its type and the reason why it looks as it does."""

from dynmon.btf import leaves
from tests.unit.btf.builder import BOOL, SIGNED, BtfBuilder


def told(build, type_id, path=""):
    return [(leaf.path, leaf.type_name, leaf.offset, leaf.size) for leaf in leaves(build.btf(), type_id, path)]


def words(build, type_id):
    return [(leaf.shown_as, leaf.why) for leaf in leaves(build.btf(), type_id)]


def test_members_in_the_order_of_memory_with_padding_between():
    build = BtfBuilder()
    u8, u32 = build.integer("u8", 1), build.integer("unsigned int", 4)
    inner = build.structure("inner", 8, [("x", u8, 0), ("y", build.typedef("__be32", u32), 32)])
    anonymous = build.union("", 4, [("word", u32, 0), ("bytes", build.array(u8, 4), 0)])
    outer = build.structure("outer", 32, [("pair", build.array(inner, 2), 0), ("", anonymous, 128), ("z", u8, 160)])

    assert told(build, outer, "value") == [
        ("value.pair[].x", "u8", 0, 1),
        ("", "", 1, 3),
        ("value.pair[].y", "__be32", 4, 4),
        ("value.word", "unsigned int", 16, 4),
        ("value.bytes", "u8[4]", 16, 4),
        ("value.z", "u8", 20, 1),
        ("", "", 21, 11),
    ]


def test_a_number_alone_has_the_path_of_the_whole():
    build = BtfBuilder()
    assert told(build, build.integer("u64", 8), "value") == [("value", "u64", 0, 8)]


def test_numbers_say_how_they_are_read():
    build = BtfBuilder()
    u32 = build.integer("u32", 4)
    members = [
        ("plain", u32, 0),
        ("network", build.typedef("__be32", u32), 32),
        ("low", u32, 64, 3),
        ("bit", u32, 67, 1),
        ("flag", build.integer("_Bool", 1, BOOL), 96),
        ("name", build.array(build.integer("char", 1, SIGNED), 4), 104),
        ("color", build.enum("color", 1, [("RED", 0), ("ALSO", 0), ("BLUE", 7)]), 136),
        ("ratio", build.floating("double", 8), 144),
        ("next", build.pointer(0), 208),
    ]

    assert words(build, build.structure("s", 34, members)) == [
        ("number", "an integer of 4 bytes, unsigned"),
        ("number", "an integer of 4 bytes, unsigned; the number is the one in memory, its bytes are not swapped"),
        ("number", "a bit-field: bits 0 to 2, unsigned"),
        ("number", "a bit-field: bit 3, unsigned"),
        ("nothing", "no member is there: padding"),
        ("true or false", "a boolean, true for anything but zero; an integer of 1 byte, unsigned"),
        ("list of 4: number", "an integer of 1 byte, signed; text is shown by its codes"),
        ("name, or number where none fits", "an enumeration (RED = 0, BLUE = 7); an integer of 1 byte, unsigned"),
        ("number", "floating point of 8 bytes; NaN and infinities are null"),
        ("number", "a pointer: an address in the kernel"),
    ]


def test_empty_structs_and_flexible_arrays():
    build = BtfBuilder()
    empty = build.structure("empty", 0, [])
    flexible = build.array(build.integer("u16", 2), 0)
    members = [("n", build.integer("u32", 4), 0), ("none", empty, 32), ("rest", flexible, 32)]

    assert told(build, build.structure("s", 4, members)) == [
        ("n", "u32", 0, 4),
        ("none", "struct empty", 4, 0),
        ("rest", "u16[0]", 4, 0),
    ]
