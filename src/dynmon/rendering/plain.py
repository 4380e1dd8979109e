"""The executor in Python: a column of texts for each part, and the columns put together row by row."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

from dynmon.rendering.numbers import float_text
from dynmon.rendering.parts import (
    INDEX_BYTES,
    PREFIX_LENGTH_BYTES,
    WORD_BYTES,
    BitField,
    Choice,
    Float,
    Form,
    Hexadecimal,
    Integer,
    Ipv4,
    Ipv6,
    Literal,
    Mac,
    Part,
    Pick,
    Prefix,
    Repeat,
    Scaled,
    Text,
    extent,
)

Rows = NDArray[np.uint8]


def render_plainly(parts: Sequence[Part], rows: Rows) -> bytes:
    """What `parts` write for each of the rows, one after the other."""
    return b"".join(_lines(parts, rows))


def numbers(part: Integer | BitField, rows: Rows) -> list[int]:
    """The number that each row has."""
    return _integers(part, rows) if isinstance(part, Integer) else _bit_fields(part, rows)


def _lines(parts: Sequence[Part], rows: Rows) -> list[bytes]:
    columns = [COLUMNS[type(part)](part, rows) for part in parts]
    return [b"".join(pieces) for pieces in zip(*columns, strict=True)] if columns else [b""] * len(rows)


def _literal(part: Literal, rows: Rows) -> list[bytes]:
    return [part.text] * len(rows)


def _number(part: Integer | BitField, rows: Rows) -> list[bytes]:
    return [b"%d" % value for value in numbers(part, rows)]


def _integers(part: Integer, rows: Rows) -> list[int]:
    own = rows[:, part.offset : part.offset + part.size]
    if part.is_big_endian:
        own = own[:, ::-1]
    if part.size > WORD_BYTES:
        low, high = (_words(own[:, start : start + WORD_BYTES]) for start in (0, WORD_BYTES))
        signed = high.view(np.int64) if part.is_signed else high
        return [above << 64 | below for below, above in zip(low.tolist(), signed.tolist(), strict=True)]
    return _from_top(_words(own) << np.uint64(64 - 8 * part.size), 8 * part.size, part.is_signed)


def _bit_fields(part: BitField, rows: Rows) -> list[int]:
    own = rows[:, part.offset : part.offset + part.size]
    if part.size <= WORD_BYTES:
        return _from_top(_words(own) << np.uint64(64 - part.shift - part.bits), part.bits, part.is_signed)
    mask, sign = (1 << part.bits) - 1, part.is_signed << part.bits - 1
    fields = (int.from_bytes(row.tobytes(), "little") >> part.shift & mask for row in own)
    return [(field ^ sign) - sign for field in fields]


def _words(own: Rows) -> NDArray[np.uint64]:
    words = np.zeros((len(own), WORD_BYTES), np.uint8)
    words[:, : own.shape[1]] = own
    return words.view("<u8")[:, 0]


def _from_top(topped: NDArray[np.uint64], bits: int, is_signed: bool) -> list[int]:
    """The upper `bits` of each word: shifted down, they bring zeros along, or, if signed, copies of the sign."""
    kind = np.int64 if is_signed else np.uint64
    values: list[int] = (topped.view(kind) >> kind(64 - bits)).tolist()
    return values


def _float(part: Float, rows: Rows) -> list[bytes]:
    own = np.ascontiguousarray(rows[:, part.offset : part.offset + part.size]).view(f"<f{part.size}")
    return [float_text(value, part.form).encode() for value in own[:, 0].tolist()]


def _scaled(part: Scaled, rows: Rows) -> list[bytes]:
    return [float_text(value * part.multiplier, part.form).encode() for value in numbers(part.number, rows)]


def _ipv4(part: Ipv4, rows: Rows) -> list[bytes]:
    return [b"%d.%d.%d.%d" % tuple(address) for address in rows[:, part.offset : part.offset + 4].tolist()]


def _ipv6(part: Ipv6, rows: Rows) -> list[bytes]:
    return [_ipv6_text(address.tobytes()) for address in rows[:, part.offset : part.offset + 16]]


def _ipv6_text(address: bytes) -> bytes:
    return socket.inet_ntop(socket.AF_INET6, address).encode()


def _prefix(part: Prefix, rows: Rows) -> list[bytes]:
    own = rows[:, part.offset : part.extent]
    lengths = np.ascontiguousarray(own[:, :PREFIX_LENGTH_BYTES]).view("<u4")
    masks = np.packbits(np.arange(8 * part.address_bytes, dtype=np.uint32) < lengths, axis=1)
    addresses = np.ascontiguousarray(own[:, PREFIX_LENGTH_BYTES:] & masks)
    texts = _ipv4(Ipv4(0), addresses) if part.address_bytes == 4 else _ipv6(Ipv6(0), addresses)
    return [b"%s/%d" % each for each in zip(texts, lengths[:, 0].tolist(), strict=True)]


def _mac(part: Mac, rows: Rows) -> list[bytes]:
    return [b"%02x:%02x:%02x:%02x:%02x:%02x" % tuple(mac) for mac in rows[:, part.offset : part.offset + 6].tolist()]


def _hexadecimal(part: Hexadecimal, rows: Rows) -> list[bytes]:
    return [row.tobytes().hex().encode() for row in rows[:, part.offset : part.offset + part.size]]


def _text(part: Text, rows: Rows) -> list[bytes]:
    escape = ESCAPES[part.form]
    texts = (row.tobytes().partition(b"\0")[0] for row in rows[:, part.offset : part.offset + part.size])
    return [escape(text.decode(errors="replace")).encode() for text in texts]


def _json_escape(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)[1:-1]


def _exposition_escape(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')


ESCAPES = {Form.JSON: _json_escape, Form.EXPOSITION: _exposition_escape}


def _choice(part: Choice, rows: Rows) -> list[bytes]:
    chosen = numbers(part.number, rows)
    if all(number in part.texts for number in chosen):
        return [part.texts[number] for number in chosen]
    others = COLUMNS[type(part.otherwise)](part.otherwise, rows)
    return [part.texts.get(number, other) for number, other in zip(chosen, others, strict=True)]


def _pick(part: Pick, rows: Rows) -> list[bytes]:
    own = np.ascontiguousarray(rows[:, part.offset : part.offset + INDEX_BYTES]).view("<u4")
    return [part.texts[index] for index in own[:, 0].tolist()]


def _repeat(part: Repeat, rows: Rows) -> list[bytes]:
    if not part.count:
        return [b""] * len(rows)
    shape = (len(rows), part.count, extent(part.parts))
    places = as_strided(rows[:, part.offset :], shape, (rows.strides[0], part.stride, rows.strides[1]), writeable=False)
    texts = _lines(part.parts, places.reshape(len(rows) * part.count, shape[2]))
    return [part.separator.join(texts[start : start + part.count]) for start in range(0, len(texts), part.count)]


COLUMNS: dict[type[Part], Callable[[Any, Rows], list[bytes]]] = {
    Literal: _literal,
    Integer: _number,
    BitField: _number,
    Float: _float,
    Scaled: _scaled,
    Ipv4: _ipv4,
    Ipv6: _ipv6,
    Prefix: _prefix,
    Mac: _mac,
    Hexadecimal: _hexadecimal,
    Text: _text,
    Choice: _choice,
    Pick: _pick,
    Repeat: _repeat,
}
