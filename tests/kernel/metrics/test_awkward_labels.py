"""Whatever bytes are in a packet, the exposition stays what it is."""

import itertools
import struct

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dynmon.metrics import families_of
from dynmon.metrics.extraction import take
from tests.expositions import PARSERS, exposed
from tests.kernel.metrics.lab import lab
from tests.support import needs

pytestmark = [needs("kernel"), needs("clang")]
SOURCE = """
struct named { char name[12]; u32 number; };
MAP(1, NAMES, struct named, u64, 4096, 1);
"""
CORPUS = [
    b"",
    b'"',
    b"\\",
    b"\n",
    b"\\n",
    b'\\"',
    b'",x="',
    b"} 1\n# EOF\n",
    b"\r\n\t",
    b"\x00tail",
    b"a\x00tail",
    b"a",
    b"\xff\xfe",
    b"\xc3",
    b"\xe2\x98\x83",
    b"\xe2\x98",
    b"\xed\xa0\x80",
    b"\xf0\x9f\x98\x80",
    b"\x7f\x1b[0m",
    b" lead",
    b"trail ",
    b"{}=,#",
    "\u2028\u0085".encode(),
    b"\xff" * 12,
    b"\\" * 12,
    b'"' * 12,
    b"other",
]
AS_IT_IS = ["string", {"name": "static_map", "static-map": {"-": "-"}, "allow-unknown": True}]


@pytest.fixture(scope="module")
def maps():
    with lab(SOURCE) as loaded:
        yield loaded


def fill(maps, names):
    """Count each name once for each of three numbers; what was there goes."""
    take(maps.maps["NAMES"], lambda _: None)
    for number, name in itertools.product(range(3), {name[:12].ljust(12, b"\0") for name in names}):
        maps.maps["NAMES"].update(name + struct.pack("<I", number), struct.pack("<Q", 1))


def counted(maps, decoders, form):
    """The counts by the labels that the judge of this form reads."""
    label = {"name": "name", **({"decoders": decoders} if decoders else {})}
    metadata = {"type": "counter", "help": "Help.", "key-labels": [label], "keep": ["name"]}
    text = exposed(families_of([maps.bind("NAMES", name="names", **{"open-metrics-metadata": metadata})]), form)
    return {sample.labels["name"]: sample.value for family in PARSERS[form](text) for sample in family.samples}


def texts(names):
    """What each name is as text, and how often."""
    found = {}
    for name in {name[:12].ljust(12, b"\0") for name in names}:
        text = name.partition(b"\0")[0].decode(errors="replace")
        found[text] = found.get(text, 0) + 3
    return found


@pytest.mark.parametrize("form", PARSERS)
@pytest.mark.parametrize("decoders", [None, ["string"], AS_IT_IS])
def test_the_corpus_is_read_back_as_it_is(maps, decoders, form):
    """Quotes, line feeds, broken UTF-8 and bytes behind the end, by the renderer and by Python."""
    fill(maps, CORPUS)

    assert texts(CORPUS) == counted(maps, decoders, form)


@pytest.mark.parametrize("form", PARSERS)
@pytest.mark.parametrize("decoders", [["dname"], ["hex"], ["string", {"name": "regexp", "regexps": ["(.*)"]}]])
def test_no_decoder_lets_a_byte_out(maps, decoders, form):
    fill(maps, CORPUS)

    counts = counted(maps, decoders, form)

    assert 3 * len({name[:12].ljust(12, b"\0") for name in CORPUS}) == sum(counts.values())


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.binary(max_size=12), min_size=1, max_size=40))
def test_any_bytes_are_read_back(maps, names):
    fill(maps, names)

    for form in PARSERS:
        assert texts(names) == counted(maps, None, form)
