"""Captures of every form give the same packets, and damaged ones say what is wrong and where."""

import gzip
import random
import struct
from contextlib import suppress

import pytest

from dynmon.trial import capture as reader
from dynmon.trial.capture import CaptureError, packets
from tests.packets import IPV4_A, ethernet, ipv4, ipv6, udp
from tests.unit.trial.capture_files import (
    COOKED,
    COOKED_V2,
    LOOP,
    NULL,
    RAW,
    block,
    enhanced,
    interface,
    obsolete,
    pcap,
    pcapng,
    section,
    simple,
)

FRAMES = [ethernet(ipv4(udp(b"x" * size))) for size in (0, 1, 2, 3, 1000)]
ORDERS = ["<", ">"]


def frames_of(capture):
    return [packet.frame for packet in packets(capture)]


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("magic", [0xA1B2C3D4, 0xA1B23C4D], ids=["microseconds", "nanoseconds"])
def test_a_pcap_gives_its_packets(magic, order, pack):
    found = list(packets(pack(pcap(*FRAMES, order=order, magic=magic))))

    assert FRAMES == [packet.frame for packet in found]
    assert [1, 2, 3, 4, 5] == [packet.number for packet in found]
    assert not any(packet.is_cut for packet in found)


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
@pytest.mark.parametrize("order", ORDERS)
def test_a_pcapng_gives_its_packets(order, pack):
    """Of all three kinds of packet blocks; what is not a packet is passed over."""
    first, second, third, *_ = FRAMES
    capture = (
        section(order)
        + block(4, b"names", order)
        + interface(order=order, options=struct.pack(order + "HHB3xHH", 9, 1, 9, 0, 0))
        + enhanced(first, order)
        + block(0xBAD, b"of a vendor", order)
        + simple(second, order)
        + obsolete(third, order)
    )

    assert [first, second, third] == frames_of(pack(capture))


def test_each_interface_has_its_link_type():
    """Numbers of interfaces begin anew in each section, and so does the byte order."""
    bare = ipv4(udp()).data
    capture = (
        section("<")
        + interface()
        + interface(RAW)
        + enhanced(bare, interface_index=1)
        + enhanced(FRAMES[0], interface_index=0)
        + section(">")
        + interface(RAW, ">")
        + enhanced(bare, ">")
    )
    dressed = bytes(12) + b"\x08\x00" + bare

    assert [dressed, FRAMES[0], dressed] == frames_of(capture)


IPV4_PACKET, IPV6_PACKET = ipv4(udp()).data, ipv6(udp()).data
AS_IPV4, AS_IPV6 = bytes(12) + b"\x08\x00" + IPV4_PACKET, bytes(12) + b"\x86\xdd" + IPV6_PACKET


@pytest.mark.parametrize(
    ("link_type", "data", "frame"),
    [
        (RAW, IPV4_PACKET, AS_IPV4),
        (RAW, IPV6_PACKET, AS_IPV6),
        (12, IPV4_PACKET, AS_IPV4),
        (14, IPV6_PACKET, AS_IPV6),
        (228, IPV4_PACKET, AS_IPV4),
        (229, IPV6_PACKET, AS_IPV6),
        (RAW, b"", bytes(14)),
        (COOKED, bytes(14) + b"\x08\x00" + IPV4_PACKET, AS_IPV4),
        (COOKED, bytes(15), b""),
        (COOKED_V2, b"\x86\xdd" + bytes(18) + IPV6_PACKET, AS_IPV6),
        (COOKED_V2, bytes(19), b""),
        (NULL, struct.pack("<I", 2) + IPV4_PACKET, AS_IPV4),
        (NULL, struct.pack(">I", 30) + IPV6_PACKET, AS_IPV6),
        (LOOP, struct.pack(">I", 24) + IPV6_PACKET, AS_IPV6),
        (LOOP, b"\0\0", b""),
    ],
)
def test_other_link_layers_become_ethernet(link_type, data, frame):
    [packet] = packets(pcap(data, link_type=link_type))

    assert frame == packet.frame
    assert not packet.is_cut


def test_another_link_layer_is_refused_by_name():
    with pytest.raises(
        CaptureError, match=r"link type 127 \(IEEE 802.11 with radiotap\); understood are: Ethernet, raw"
    ):
        list(packets(pcap(b"wlan", link_type=127)))
    with pytest.raises(CaptureError, match=r"packet 2 at byte \d+ has packets of link type 9999 \(unknown here\)"):
        list(packets(pcapng(FRAMES[0]) + interface(9999) + enhanced(b"?", interface_index=1)))


def test_an_interface_that_no_packet_is_of_may_be_anything():
    assert [FRAMES[0]] == frames_of(pcapng(FRAMES[0]) + interface(9999))


def test_a_packet_that_was_cut_says_so():
    """By the snap length of the capture; in raw IP the frame grew by the header that was put before it."""
    [cut] = packets(pcap(FRAMES[4][:100], wire_lengths=[len(FRAMES[4])]))
    [raw] = packets(pcap(IPV4_PACKET[:20], wire_lengths=[28], link_type=RAW))
    [short] = packets(section() + interface(snap_length=60) + simple(FRAMES[4][:60], wire_length=len(FRAMES[4])))

    assert (True, 100, 1042) == (cut.is_cut, len(cut.frame), cut.wire_length)
    assert (True, 34, 42) == (raw.is_cut, len(raw.frame), raw.wire_length)
    assert (True, 60, 1042) == (short.is_cut, len(short.frame), short.wire_length)


def test_a_capture_without_packets_has_none():
    assert [] == frames_of(pcap())
    assert [] == frames_of(pcapng())


PREFIX = pcap(*[b"x" * 60] * 11)


@pytest.mark.parametrize(
    ("capture", "sentence"),
    [
        (b"", "it is neither pcap nor pcapng: it is empty"),
        (b"\x7fELF....", "it is neither pcap nor pcapng: it begins with 7f 45 4c 46"),
        (pcap()[:10], "the file ends within the header of the file at byte 4"),
        (
            PREFIX + struct.pack("<IIII", 0, 0, 70000, 70000) + bytes(100),
            f"packet 12 at byte {len(PREFIX)} claims 70000 bytes, 100 are left",
        ),
        (PREFIX + bytes(7), f"the file ends within the header of packet 12 at byte {len(PREFIX)}"),
        (
            PREFIX + struct.pack("<IIII", 0, 0, 0xFFFFFFFF, 60),
            f"packet 12 at byte {len(PREFIX)} claims 4294967295 bytes, more than the 262144 that a packet can have",
        ),
        (gzip.compress(PREFIX, mtime=0)[:-12], "it is not valid gzip after byte "),
        (b"\x1f\x8bnonsense", "it is not valid gzip after byte 0: "),
        (pcapng(FRAMES[0])[:-9], "packet 1 at byte 48 claims 68 bytes, 59 are left"),
        (section()[:7], "a section header at byte 0 claims 8 bytes, 3 are left"),
        (b"\x0a\x0d\x0d\x0a" + bytes(24), "the section header at byte 0 has no byte order magic"),
        (section() + enhanced(b"x" * 20), "packet 1 at byte 28 is of interface 0, but there are 0"),
        (section() + struct.pack("<III", 6, 13, 13), "packet 1 at byte 28 claims the impossible size 13"),
        (section() + struct.pack("<III", 6, 1 << 31, 0), "packet 1 at byte 28 claims the impossible size 2147483648"),
        (section() + struct.pack("<III", 6, 12, 16), "packet 1 at byte 28 has two different lengths"),
        (section() + block(6, b"1234"), "packet 1 at byte 28 has a block too short for it"),
        (section() + block(1, b"1234"), "the interface block at byte 28 is too short"),
        (
            section() + interface() + block(6, struct.pack("<IIIII", 0, 0, 0, 100, 100) + bytes(60)),
            "packet 1 at byte 48 claims 100 bytes, 60 are in its block",
        ),
    ],
)
def test_damage_is_named_with_its_place(capture, sentence):
    with pytest.raises(CaptureError) as caught:
        list(packets(capture))

    assert str(caught.value).startswith(f"the capture cannot be read: {sentence}")
    assert "capture" == caught.value.fields()["stage"]


def test_what_comes_before_the_damage_is_given():
    given = []
    with pytest.raises(CaptureError):
        given.extend(packets(PREFIX[:-1]))

    assert [b"x" * 60] * 10 == [packet.frame for packet in given]


def test_a_packet_is_read_before_the_next_is_looked_at():
    """Unpacking goes on only as far as packets are asked for."""
    stream = packets(gzip.compress(pcap(*FRAMES)) + b"rubbish behind it")

    assert FRAMES[0] == next(stream).frame


def test_hours_of_blocks_without_a_packet_are_refused(monkeypatch):
    monkeypatch.setattr(reader, "MAX_IDLE_BLOCKS", 50)

    with pytest.raises(CaptureError, match="there are 50 blocks in a row without a packet"):
        list(packets(gzip.compress(section() + block(9, b"") * 100)))
    busy = b"".join(block(9, b"") * 30 + enhanced(FRAMES[0]) for _ in range(5))
    assert [FRAMES[0]] * 5 == frames_of(section() + interface() + busy)


def test_interfaces_are_bounded(monkeypatch):
    monkeypatch.setattr(reader, "MAX_INTERFACES", 3)

    with pytest.raises(CaptureError, match="more than 3 interfaces"):
        list(packets(section() + interface() * 4))


SEEDS = [
    pcap(*FRAMES),
    pcap(*FRAMES, order=">"),
    pcapng(*FRAMES),
    pcapng(*FRAMES, order=">"),
    section() + interface(RAW) + simple(IPV4_PACKET) + obsolete(IPV6_PACKET),
    gzip.compress(pcap(*FRAMES)),
    pcap(bytes(4) + IPV4_A.encode(), link_type=NULL),
]


@pytest.mark.parametrize("seed", range(len(SEEDS)))
def test_no_mutation_does_more_than_fail(seed):
    """Flipped, overwritten, cut and doubled: packets, or the one error."""
    chance = random.Random(seed)
    for _ in range(1500):
        damaged = bytearray(SEEDS[seed])
        for _ in range(chance.randint(1, 6)):
            place = chance.randrange(len(damaged))
            damaged[place : place + chance.choice((1, 1, 4))] = chance.choice(
                (bytes([chance.randrange(256)]), b"\xff\xff\xff\xff", b"\0\0\0\0", b"", struct.pack("<I", 12))
            )
        if chance.random() < 0.3:
            damaged = damaged[: chance.randrange(len(damaged) + 1)]
        with suppress(CaptureError):
            for packet in packets(bytes(damaged)):
                assert len(packet.frame) <= max(packet.wire_length, 14)
