"""Write raw BTF by hand: what a compiler would write, and what none would."""

import struct

from dynmon.btf import Btf

SIGNED, CHAR, BOOL = 1, 2, 4


class BtfBuilder:
    """Adds types one by one; each method returns the new type's id."""

    def __init__(self):
        self.records = bytearray()
        self.names = bytearray(b"\0")
        self.count = 0

    def name(self, text):
        if not text:
            return 0
        offset = len(self.names)
        self.names += text.encode() + b"\0"
        return offset

    def add(self, kind, name="", size_or_type=0, count=0, flag=False, tail=b""):
        info = kind << 24 | count | flag << 31
        self.records += struct.pack("<III", self.name(name), info, size_or_type) + tail
        self.count += 1
        return self.count

    def integer(self, name, size, encoding=0, bits=None, offset=0):
        data = encoding << 24 | offset << 16 | (size * 8 if bits is None else bits)
        return self.add(1, name, size, tail=struct.pack("<I", data))

    def pointer(self, type_id):
        return self.add(2, size_or_type=type_id)

    def array(self, type_id, count):
        return self.add(3, tail=struct.pack("<III", type_id, type_id, count))

    def composite(self, kind, name, size, members):
        flag = any(len(member) == 4 for member in members)
        tail = b""
        for text, type_id, offset, *bits in members:
            place = offset | (bits[0] if bits else 0) << 24
            tail += struct.pack("<III", self.name(text), type_id, place)
        return self.add(kind, name, size, len(members), flag, tail)

    def structure(self, name, size, members):
        return self.composite(4, name, size, members)

    def union(self, name, size, members):
        return self.composite(5, name, size, members)

    def enum(self, name, size, values, signed=False):
        tail = b"".join(struct.pack("<II", self.name(text), value % 2**32) for text, value in values)
        return self.add(6, name, size, len(values), signed, tail)

    def enum64(self, name, size, values, signed=False):
        tail = b"".join(
            struct.pack("<III", self.name(text), value % 2**32, (value >> 32) % 2**32) for text, value in values
        )
        return self.add(19, name, size, len(values), signed, tail)

    def typedef(self, name, type_id):
        return self.add(8, name, type_id)

    def floating(self, name, size):
        return self.add(16, name, size)

    def variable(self, name, type_id):
        return self.add(14, name, type_id, tail=struct.pack("<I", 1))

    def section(self, name, variables):
        tail = b"".join(struct.pack("<III", type_id, 32 * at, 32) for at, type_id in enumerate(variables))
        return self.add(15, name, 32 * len(variables), len(variables), tail=tail)

    def decl_tag(self, text, type_id, component=-1):
        return self.add(17, text, type_id, tail=struct.pack("<i", component))

    def raw(self):
        header = struct.pack("<HBBIIIII", 0xEB9F, 1, 0, 24, 0, len(self.records), len(self.records), len(self.names))
        return header + bytes(self.records) + bytes(self.names)

    def btf(self):
        return Btf.parse(self.raw())
