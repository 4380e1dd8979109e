"""Every decoder, on values that the kernel keeps and on bytes that came in packets."""

from __future__ import annotations

import re
import socket
import time

import pytest

from dynmon.models import DecoderName
from tests.packets import dns_query as query
from tests.packets import ethernet, ipv4, tcp, udp, vlan
from tests.support import needs

pytestmark = [needs("kernel"), needs("clang")]
PACKET = ethernet(ipv4(tcp(2, sport=1025, dport=443)))
DNS = ethernet(ipv4(udp(query("www.example.org", 1), dport=53)))
TAGGED = ethernet(vlan(ipv4(udp(b"x" * 20)), 0x6007))
# A field, what sets it, the decoders, and the label's text.
CASES = {
    DecoderName.UINT: ("u32 f", "k.f = 0xfffffffe;", ["uint"], "4294967294"),
    DecoderName.INT: ("u32 f", "k.f = 0xfffffffe;", ["int"], "-2"),
    DecoderName.INET_IP: ("u32 f", "bpf_skb_load_bytes(ctx, 26, &k.f, 4);", ["inet_ip"], "10.1.0.1"),
    DecoderName.MAC: ("u8 f[8]", "bpf_skb_load_bytes(ctx, 6, &k.f, 6);", ["mac"], "02:00:00:00:0a:01"),
    DecoderName.PORT: (
        "__be16 f",
        "bpf_skb_load_bytes(ctx, 36, &k.f, 2);",
        [{"name": "port", "services": True}],
        socket.getservbyport(443),
    ),
    DecoderName.PROTO: ("u8 f", "bpf_skb_load_bytes(ctx, 23, &k.f, 1);", ["proto"], "tcp"),
    DecoderName.STRING: ("u8 f[8]", '__builtin_memcpy(k.f, "a\\"b\\\\\\n\\xff", 6);', ["string"], 'a"b\\\n\ufffd'),
    DecoderName.HEX: ("u32 f", "k.f = 0x01020304;", ["hex"], "04030201"),
    DecoderName.ENUM: ("enum color f", "k.f = GREEN;", ["enum"], "GREEN"),
    DecoderName.IFNAME: ("u32 f", "k.f = 1;", ["ifname"], "lo"),
    DecoderName.ETHER_TYPE: ("__be16 f", "bpf_skb_load_bytes(ctx, 12, &k.f, 2);", ["ether_type"], "IPv4"),
    DecoderName.ERRNO: ("int f", "k.f = -110;", ["errno"], "ETIMEDOUT"),
    DecoderName.BOOL: ("u32 f", "k.f = 7;", ["bool"], "true"),
    DecoderName.CIDR: (
        "__be32 f",
        "bpf_skb_load_bytes(ctx, 26, &k.f, 4);",
        [{"name": "cidr", "prefix-length": 15}],
        "10.0.0.0/15",
    ),
    DecoderName.VLAN: ("u16 f", "k.f = 0x6007;", ["vlan"], "7"),
    DecoderName.STATIC_MAP: ("u8 f", "k.f = 3;", [{"name": "static_map", "static-map": {"3": "three"}}], "three"),
    DecoderName.REGEXP: (
        "char f[8]",
        '__builtin_memcpy(k.f, "eth12", 6);',
        [{"name": "regexp", "regexps": ["^eth([0-9]+)"]}],
        "12",
    ),
    DecoderName.FILE: (
        "__be32 f",
        "bpf_skb_load_bytes(ctx, 26, &k.f, 4);",
        ["inet_ip", {"name": "file", "csv": "# countries\n10.0.0.0/8,XX\n10.1.0.0/16,YY\nfd00::/8,ZZ"}],
        "YY",
    ),
}
DECLARED = "enum color {{ RED, GREEN }}; struct key {{ u64 aligned; {field}; }}; BPF_HASH(M, struct key);"
BODY = "struct key k = {{}}; {sets} M.increment(k);"


@pytest.fixture
def labelled(exported):
    """The values of the label of a field, after some packets."""

    def run(field, sets, decoders, *frames, **metadata):
        label = {"name": "label", "field": "f", **({"decoders": decoders} if decoders else {})}
        described = {"type": "counter", "key-labels": [label], "keep": ["label"], **metadata}
        declared, body = DECLARED.format(field=field), BODY.format(sets=sets)
        return exported(declared, body, {"m": ("M", described)}, *(frames or [PACKET])).labels("m_total")

    return run


@pytest.mark.parametrize("name", CASES)
def test_a_decoder_makes_text_of_what_the_kernel_keeps(labelled, name):
    *given, text = CASES[name]

    assert [{"label": text}] == labelled(*given)


def test_every_decoder_has_a_case():
    assert {DecoderName.DNAME, DecoderName.KTIME} == set(DecoderName) - CASES.keys()


def test_dname_reads_a_name_as_it_is_on_the_wire(labelled):
    load = "bpf_skb_load_bytes(ctx, 54, k.f, 17);"

    assert [{"label": "www.example.org"}] == labelled("u8 f[24]", load, ["dname"], DNS)


def test_ktime_is_the_time_of_day(labelled):
    (found,) = labelled("u64 f", "k.f = bpf_ktime_get_ns();", ["ktime"])

    assert time.time() == pytest.approx(float(found["label"]), abs=60)
    assert re.fullmatch(r"[0-9]+\.[0-9]{3}", found["label"])


@pytest.mark.parametrize(
    ("field", "sets", "decoders", "text"),
    [
        ("u8 f", "k.f = 250;", ["proto"], "250"),
        ("u16 f", "k.f = 0x1234;", ["ether_type"], "0x1234"),
        ("u16 f", "k.f = 60;", ["ether_type"], "60"),
        ("u32 f", "k.f = 0xffffff92;", ["errno"], "ETIMEDOUT"),
        ("u32 f", "k.f = 100000;", ["errno"], "100000"),
        ("u32 f", "k.f = 4000000000;", ["ifname"], "4000000000"),
        ("enum color f", "k.f = 9;", ["enum"], "9"),
        ("u64 f", "", ["bool"], "false"),
        ("u8 f", "k.f = 4;", [{"name": "static_map", "static-map": {"3": "three"}}], "unknown:4"),
        ("u8 f", "k.f = 4;", [{"name": "static_map", "static-map": {"3": "three"}, "allow-unknown": True}], "4"),
        ("__be32 f", "k.f = bpf_htonl(0xc0a80001);", ["inet_ip", {"name": "file", "csv": "10.0.0.0/8,XX"}], "unknown"),
        ("u8 f", "k.f = 6;", ["uint", {"name": "file", "csv": "6,six"}], "six"),
        ("u8 f", "k.f = 6;", ["uint", "proto", {"name": "regexp", "regexps": ["nothing", "t(.)p"]}], "c"),
        ("u16 f", "k.f = 0x6051;", ["vlan", {"name": "port", "services": True}], "81"),
        ("u8 f[24]", "k.f[0] = 1; k.f[1] = '.'; k.f[2] = 63;", ["dname"], "\\."),
        ("u8 f[24]", "", ["dname"], "."),
        ("__be16 f", "k.f = bpf_htons(443);", ["port"], "443"),
        ("__be16 f", "k.f = bpf_htons(443);", ["uint"], "443"),
    ],
)
def test_what_a_decoder_does_not_know(labelled, field, sets, decoders, text):
    assert [{"label": text}] == labelled(field, sets, decoders)


def test_no_match_drops_the_series(exported):
    decoders = ["uint", {"name": "regexp", "regexps": ["^[0-9]*[02468]$"]}]
    metadata = {"type": "counter", "key-labels": [{"name": "even", "decoders": decoders}]}
    frames = [ethernet(ipv4(udp(bytes(size)))) for size in range(40, 50)]

    samples = exported("BPF_HASH(M, u32);", "M.increment(length);", {"m": ("M", metadata)}, *frames).samples

    assert 5 == len(samples)
    assert all(int(key[1].removeprefix("even=")) % 2 == 0 and value == 1 for key, value in samples.items())


@pytest.mark.parametrize(
    ("field", "first", "text"),
    [
        ("__be32 f", 0x7F, "127.0.0.1"),
        ("struct in_addr f", 0x7F, "127.0.0.1"),
        ("u8 f[6]", 0x7F, "7f:00:00:01:00:00"),
        ("u8 f[16]", 0x7F, "7f00:1::"),
        ("struct in6_addr f", 0x7F, "7f00:1::"),
        ("__be16 f", 0x7F, "32512"),
        ("char f[4]", 0x7F, "\x7f"),
        ("u32 f", 0x7F, "16777343"),
        ("int f", 0x7F, "16777343"),
        ("u8 f[3]", 0x7F, "7f0000"),
        ("union { u32 v4; struct in6_addr v6; } f", 0x7F, "7f000001" + "00" * 12),
        ("_Bool f", 1, "true"),
    ],
)
def test_types_are_guessed(exported, field, first, text):
    declared = f"#include <linux/in6.h>\nstruct key {{ {field}; }}; BPF_HASH(M, struct key);"
    body = (
        f"struct key k; u8 *bytes = (void *)&k; __builtin_memset(&k, 0, sizeof(k)); bytes[0] = {first};"
        "if (sizeof(k) > 3) bytes[3] = 1; M.increment(k);"
    )

    shown = exported(declared, body, {"m": ("M", {"type": "counter"})}, PACKET)

    assert [{"f": text}] == shown.labels("m_total")


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("__be32 seq", "2130706433"),
        ("__be32 peer_id", "2130706433"),
        ("u32 saddr", "16777343"),
        ("u32 ifindex", "16777343"),
        ("u8 saddr[4]", "127.0.0.1"),
        ("__be32 flow_src", "127.0.0.1"),
        ("u8 uuid[16]", "7f000001" + "00" * 12),
    ],
)
def test_names_decide_where_types_do_not(exported, field, text):
    declared = f"struct key {{ {field}; }}; BPF_HASH(M, struct key);"
    body = "struct key k = {}; *(u32 *)&k = bpf_htonl(0x7f000001); M.increment(k);"

    (found,) = exported(declared, body, {"m": ("M", {"type": "counter"})}, PACKET).labels("m_total")

    assert [text] == list(found.values())


def test_nested_fields_arrays_and_reserved_names(exported):
    declared = (
        "struct end { __be32 addr; __be16 port; u16 pad; };"
        "struct key { struct end src, dst; u16 direction; u16 codes[2]; u16 __private; u8 reserved[3], unused1; };"
        "BPF_HASH(M, struct key);"
    )
    body = (
        "struct key k = {.src = {bpf_htonl(0x0a000001), bpf_htons(80)}, .direction = 1, .codes = {5, 6}};"
        "M.increment(k);"
    )

    shown = exported(declared, body, {"m": ("M", {"type": "counter"})}, PACKET)

    assert [
        {
            "src_addr": "10.0.0.1",
            "src_port": "80",
            "dst_addr": "0.0.0.0",
            "dst_port": "0",
            "key_direction": "1",
            "codes_0": "5",
            "codes_1": "6",
        }
    ] == shown.labels("m_total")


def test_tries_have_prefixes(exported):
    declared = "struct key { u32 prefixlen; __be32 addr; }; BPF_LPM_TRIE(M, struct key);"
    body = "struct key k = {24, bpf_htonl(0x0a0102ff)}; u64 one = 1; M.update(&k, &one);"

    assert [{"key": "10.1.2.0/24"}] == exported(declared, body, {"m": ("M", {"type": "gauge"})}, PACKET).labels("m")


@pytest.mark.parametrize("kind", ["counter", "gauge"])
def test_series_with_equal_labels_are_added(exported, kind):
    declared = "struct key { u16 size, noise; }; BPF_HASH(M, struct key); BPF_HASH(F, struct key, u32); static u32 n;"
    body = "struct key k = {.size = length, .noise = n++}; M.increment(k); F.increment(k, 4294967295u);"
    metadata = {"type": kind, "drop": ["noise"]}
    frames = [ethernet(ipv4(udp(bytes(size)))) for size in (40, 50)] * 200

    shown = exported(declared, body, {"m": ("M", metadata), "f": ("F", metadata)}, *frames)

    suffix = "_total" if kind == "counter" else ""
    assert {"82": 200, "92": 200} == {
        key[1].removeprefix("size="): value for key, value in shown.samples.items() if key[0] == f"m{suffix}"
    }
    assert {200 * 4294967295} == {value for key, value in shown.samples.items() if key[0] == f"f{suffix}"}


def test_bit_fields_and_gaps_do_not_split_series(exported):
    """What no label shows may differ: bits without a name, gaps, what stands behind the end of a text."""
    declared = (
        "struct key { u32 low : 4; u32 : 4; u32 high : 8; u32 gap : 16; char name[8]; }; BPF_HASH(M, struct key);"
    )
    body = (
        "struct key k = {.low = 3, .high = 200}; k.name[0] = 'x'; k.name[3] = bpf_get_prandom_u32();"
        "((u8 *)&k)[0] |= bpf_get_prandom_u32() << 4; M.increment(k);"
    )

    shown = exported(declared, body, {"m": ("M", {"type": "counter", "drop": ["gap"]})}, *[PACKET] * 100)

    assert {("m_total", "low=3", "high=200", "name=x"): 100} == shown.samples
