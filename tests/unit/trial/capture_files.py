"""Capture files written by hand: what a test reads is known to the last byte."""

import struct

ETHERNET, RAW, COOKED, COOKED_V2, NULL, LOOP = 1, 101, 113, 276, 0, 108


def pcap(*frames, order="<", magic=0xA1B2C3D4, link_type=ETHERNET, wire_lengths=None):
    """A pcap file; `wire_lengths` are the original lengths where they are not those of `frames`."""
    header = struct.pack(order + "IHHiIII", magic, 2, 4, 0, 0, 65535, link_type)
    originals = wire_lengths or [len(frame) for frame in frames]
    return header + b"".join(
        struct.pack(order + "IIII", 1_700_000_000, 0, len(frame), original) + frame
        for frame, original in zip(frames, originals, strict=True)
    )


def block(kind, body, order="<"):
    """A pcapng block."""
    body += bytes(-len(body) % 4)
    size = struct.pack(order + "I", 12 + len(body))
    return struct.pack(order + "I", kind) + size + body + size


def section(order="<"):
    """The block that says which byte order follows."""
    return block(0x0A0D0D0A, struct.pack(order + "IHHq", 0x1A2B3C4D, 1, 0, -1), order)


def interface(link_type=ETHERNET, order="<", snap_length=0, options=b""):
    """A place where packets were captured."""
    return block(1, struct.pack(order + "HHI", link_type, 0, snap_length) + options, order)


def enhanced(frame, order="<", interface_index=0, wire_length=None):
    """A packet as it is written today."""
    original = len(frame) if wire_length is None else wire_length
    return block(6, struct.pack(order + "IIIII", interface_index, 0, 0, len(frame), original) + frame, order)


def simple(frame, order="<", wire_length=None):
    """A packet of the first interface, without a time."""
    return block(3, struct.pack(order + "I", len(frame) if wire_length is None else wire_length) + frame, order)


def obsolete(frame, order="<", interface_index=0):
    """A packet as it was written once."""
    return block(2, struct.pack(order + "HHIIII", interface_index, 0, 0, 0, len(frame), len(frame)) + frame, order)


def pcapng(*frames, order="<"):
    """A pcapng file with one Ethernet interface."""
    return section(order) + interface(order=order) + b"".join(enhanced(frame, order) for frame in frames)
