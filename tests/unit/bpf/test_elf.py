"""Objects made by hand, each of which would cost a careless reader all memory, or minutes."""

import struct

import pytest

from dynmon.bpf.elf import HEADER, MACHINE_BPF, MAGIC, SECTION, SHT_STRTAB, SHT_SYMTAB, STT_FUNCTION, SYMBOL, Elf
from dynmon.bpf.reach import Code
from dynmon.bpf.trimming import without_struct_ops

PROGRAM_BITS = 1
EXECUTABLE = 6
LARGE = 1 << 20


def an_object(names, sections):
    """An object with this string table, and sections of (name, kind, flags, strings, content or (place, size))."""
    body, headers = bytearray(HEADER.size), [bytes(SECTION.size)]
    for name, kind, flags, strings, content in [(0, SHT_STRTAB, 0, 0, names), *sections]:
        place, size = content if isinstance(content, tuple) else (len(body), len(content))
        headers.append(SECTION.pack(name, kind, flags, 0, place, size, strings, 0, 8, 0))
        body += b"" if isinstance(content, tuple) else content
    identity = (MAGIC + bytes([2, 1, 1])).ljust(16, b"\0")
    counts = (HEADER.size, 0, 0, SECTION.size, len(headers), 1)
    return (
        HEADER.pack(identity, 1, MACHINE_BPF, 1, 0, 0, len(body), 0, *counts) + body[HEADER.size :] + b"".join(headers)
    )


def a_symbol(name, section=3, place=0, size=8):
    return SYMBOL.pack(name, 1 << 4 | STT_FUNCTION, 0, section, place, size)


def functions(names, symbols, code=bytes(64)):
    table = (0, SHT_SYMTAB, 0, 1, b"".join(symbols))
    return an_object(names, [table, (0, PROGRAM_BITS, EXECUTABLE, 0, code)])


def test_an_object_made_by_hand_is_read():
    elf = Elf.parse(functions(b"\0first\0second\0", [a_symbol(1), a_symbol(7, place=8, size=16)]))

    assert ["first", "second"] == [each.name for each in elf.symbols]
    assert {"first": 1, "second": 2} == {
        name: Code(elf).reached_from([name]).instructions for name in ("first", "second")
    }


def test_sections_that_overlap_are_refused():
    """Sixty thousand that all are the same mebibyte would be sixty gigabytes."""
    twice = [(0, PROGRAM_BITS, 0, 0, bytes(LARGE)), *[(0, PROGRAM_BITS, 0, 0, (HEADER.size, LARGE))] * 60_000]
    with pytest.raises(ValueError, match="its sections overlap"):
        Elf.parse(an_object(b"\0", twice))


@pytest.mark.parametrize(("name", "is_good"), [(b"a" * 1023, True), (b"a" * 1024, False), (b"a" * LARGE, False)])
def test_names_have_an_end(name, is_good):
    """A hundred thousand names that all end where the table does would be a hundred gigabytes."""
    raw = functions(b"\0" + name, [a_symbol(1)] * 100_000)
    if is_good:
        assert {name.decode()} == {each.name for each in Elf.parse(raw).symbols}
        return
    with pytest.raises(ValueError, match="a name in it has 1024 bytes or more"):
        Elf.parse(raw)


@pytest.mark.parametrize("name", [b"red\x1b[31m", b"two\nlines", b"back\x08"])
def test_names_can_be_printed(name):
    """They appear in answers, logs and terminals."""
    with pytest.raises(ValueError, match="cannot be printed"):
        Elf.parse(functions(b"\0" + name + b"\0", [a_symbol(1)]))


def test_a_name_that_is_not_utf_8_is_readable():
    assert ["caf\N{REPLACEMENT CHARACTER}"] == [
        each.name for each in Elf.parse(functions(b"\0caf\xe9\0", [a_symbol(1)])).symbols
    ]


def test_struct_ops_are_hidden_where_names_are_and_nowhere_else():
    """What a program prints is no name."""
    text = b"a .struct_ops of its own\0"
    raw = an_object(
        b"\0.struct_ops\0", [(0, PROGRAM_BITS, 0, 0, text), *[(1, PROGRAM_BITS, 0, 0, b".struct_ops")] * 60_000]
    )
    hidden = without_struct_ops(raw, Elf.parse(raw))

    assert len(raw) == len(hidden)
    assert b"\0_struct_ops\0" in hidden
    assert text in hidden


def test_the_relocations_of_ten_thousand_functions_are_looked_at_once_each():
    """Finding a function by its name must not be looking at all of them."""
    names, symbols = b"\0", []
    for number in range(10_000):
        symbols.append(a_symbol(len(names), place=8 * number))
        names += f"f{number}\0".encode()
    code = Code(Elf.parse(functions(names, symbols, struct.pack("<Q", 0x95) * 10_000)))

    assert 10_000 == sum(code.reached_from([f"f{number}"]).instructions for number in range(10_000))
