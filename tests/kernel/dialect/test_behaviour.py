"""What the dialect's words do to a packet and to maps."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from dynmon.bpf import LoadedObject, RingBuffer, possible_cpus
from dynmon.models import Direction, Hook
from tests.kernel.dialect.conftest import DROP, PASS, Dialect
from tests.packets import ethernet, internet_checksum, ipv4, raw, udp, vlan
from tests.support import needs, run

pytestmark = needs("kernel", "clang")
both_hooks = pytest.mark.parametrize("hook", list(Hook))
PACKET = ethernet(ipv4(udp(b"0123456789abcdef", sport=4000, dport=53)))
IP, UDP_AT = 14, 34
ZERO = struct.pack("<I", 0)
RECORD = struct.Struct("<IIIIQ4QII")
Records = Callable[[RingBuffer], list[bytes]]


def number(loaded: LoadedObject, name: str, key: int = 0) -> int:
    """An integer out of an array or hash."""
    found = loaded.maps[name].lookup(struct.pack("<I", key))
    assert found is not None, f"{name}[{key}] is not there"
    return int.from_bytes(found, "little")


@both_hooks
def test_counter_counts_every_run(dialect: Dialect, hook: Hook) -> None:
    loaded = dialect.handler(
        "unsigned int key = 0; u64 *v = C.lookup(&key); if (v) __sync_fetch_and_add(v, 1); return RX_OK;",
        hook,
        "BPF_ARRAY(C, uint64_t, 1);",
    )
    result = loaded.program.test_run(PACKET, repeat=7)

    assert PASS[hook] == result.verdict
    assert 7 == number(loaded, "C")


@pytest.mark.parametrize(("start", "hashed"), [(0, 0x17770551), (1, 0xCD628161)])
def test_jhash_gives_the_values_that_its_author_published(dialect: Dialect, start: int, hashed: int) -> None:
    loaded = dialect.handler(
        f"int key = 0; char text[] = TEXT; u64 value = jhash(text, sizeof(text) - 1, {start}); "
        "C.update(&key, &value); return RX_OK;",
        declarations='#include <linux/jhash.h>\n#define TEXT "Four score and seven years ago"\nBPF_ARRAY(C, u64, 1);',
    )
    loaded.program.test_run(PACKET)

    assert hashed == number(loaded, "C")


def test_jhash_of_words_is_that_of_their_bytes(dialect: Dialect) -> None:
    loaded = dialect.handler(
        "u32 words[3] = {md->packet_len, 2, 3}; C.increment(0, jhash_3words(words[0], 2, 3, 7)); "
        "C.increment(1, jhash(words, 12, 7)); C.increment(2, jhash_2words(words[0], 2, 7)); "
        "C.increment(3, jhash2(words, 2, 7)); C.increment(4, jhash_1word(words[0], 7)); "
        "C.increment(5, jhash(words, 4, 7)); return RX_OK;",
        declarations="#include <linux/jhash.h>\nBPF_ARRAY(C, u64, 6);",
    )
    loaded.program.test_run(PACKET)
    values = [number(loaded, "C", key) for key in range(6)]

    assert values[::2] == values[1::2]
    assert 3 == len(set(values))


@both_hooks
@pytest.mark.parametrize("verdict", ["RX_OK", "RX_DROP", "RX_REDIRECT", "RX_RECIRCULATE", "RX_ERROR", "-1", "77"])
def test_only_ok_and_drop_mean_something(dialect: Dialect, hook: Hook, verdict: str) -> None:
    """Everything else passes and is counted."""
    loaded = dialect.handler(f"return {verdict};", hook)
    result = loaded.program.test_run(PACKET, repeat=3)

    assert (DROP if verdict == "RX_DROP" else PASS)[hook] == result.verdict
    if verdict in ("RX_OK", "RX_DROP"):
        assert {} == loaded.maps
    else:
        counts = loaded.maps["dynmon_anomalies"].lookup(ZERO)
        assert counts is not None
        assert 3 == sum(struct.unpack(f"<{possible_cpus()}Q", counts))


@both_hooks
def test_metadata_is_filled(dialect: Dialect, hook: Hook) -> None:
    """The length of the frame is known; everything else starts at zero."""
    loaded = dialect.handler(
        """
        int key = 0; struct pkt_metadata copy = *md;
        SEEN.update(&key, &copy);
        return RX_OK;
        """,
        hook,
        "BPF_ARRAY(SEEN, struct pkt_metadata, 1);",
    )
    loaded.program.test_run(PACKET)

    assert struct.pack("<HHIIH3I", 0, 0, len(PACKET), 0, 0, 0, 0, 0) == loaded.maps["SEEN"].lookup(ZERO)


@needs("bpftool")
@pytest.mark.parametrize(("mark", "body", "after"), [(5, "", 5), (5, "md->traffic_class += 0x1200;", 0x1205)])
def test_traffic_class_is_the_mark(dialect: Dialect, tmp_path: Path, mark: int, body: str, after: int) -> None:
    """What the handler makes of it is on the packet afterwards, for whoever sees it next."""
    loaded = dialect.handler(f"{body} return RX_OK;")
    packet, context, result = tmp_path / "packet", tmp_path / "context", tmp_path / "result"
    packet.write_bytes(PACKET)
    context.write_bytes(struct.pack("<8xI180x", mark))
    files = f"data_in {packet} ctx_in {context} ctx_out {result}".split()
    run("bpftool", "prog", "run", "id", str(loaded.program.id), *files)

    assert (after,) == struct.unpack_from("<8xI", result.read_bytes())


@both_hooks
def test_increment_creates_in_hashes_only(dialect: Dialect, hook: Hook) -> None:
    """As with BCC: a key that an LRU or per-CPU hash does not have stays absent."""
    loaded = dialect.handler(
        "HASH.increment(5); HASH.increment(5, 10); LRU.increment(5); PERCPU.increment(5); ARRAY.increment(5, 2);"
        "HASH.atomic_increment(6); HASH.atomic_increment(6, 3); return RX_OK;",
        hook,
        'BPF_HASH(HASH, int, u64, 8); BPF_TABLE("lru_hash", int, u64, LRU, 8);'
        "BPF_PERCPU_HASH(PERCPU, int, u64, 8); BPF_ARRAY(ARRAY, u64, 8);",
    )
    loaded.program.test_run(PACKET, repeat=2)

    assert 22 == number(loaded, "HASH", 5)
    assert 8 == number(loaded, "HASH", 6)
    assert 4 == number(loaded, "ARRAY", 5)
    assert loaded.maps["LRU"].next_key(None) is None
    assert loaded.maps["PERCPU"].next_key(None) is None


@both_hooks
def test_user_functions_called_increment_keep_working(dialect: Dialect, hook: Hook) -> None:
    """The macro behind the method renames them alike wherever they are used."""
    loaded = dialect.handler(
        "int key = 0; u64 n = 0; increment(&n, 3); n += atomic_increment(4); C.update(&key, &n); C.increment(0);"
        "C.increment(0, n); return RX_OK;",
        hook,
        """
        BPF_ARRAY(C, u64, 1);
        static __always_inline void increment(u64 *number, int by) { *number += by; }
        static __always_inline int atomic_increment(int by) { return by; }
        """,
    )
    loaded.program.test_run(PACKET)

    assert 7 + 1 + 7 == number(loaded, "C")


@both_hooks
def test_lookup_or_init_never_gives_null(dialect: Dialect, hook: Hook) -> None:
    """A full map lets the code write where nobody reads."""
    loaded = dialect.handler(
        """
        u64 first = 40; int key;
        key = 1; *SMALL.lookup_or_init(&key, &first) += 2;
        key = 2; *SMALL.lookup_or_init(&key, &first) += 2;
        key = 1; u64 *leaf = SMALL.lookup_or_try_init(&key, &first); if (leaf) *leaf += 100;
        return RX_OK;
        """,
        hook,
        "BPF_HASH(SMALL, int, u64, 1);",
    )
    loaded.program.test_run(PACKET)

    assert 142 == number(loaded, "SMALL", 1)
    assert loaded.maps["SMALL"].lookup(struct.pack("<I", 2)) is None


@both_hooks
def test_update_insert_delete(dialect: Dialect, hook: Hook) -> None:
    """Insert refuses a key that is there; delete tells whether there was one."""
    loaded = dialect.handler(
        """
        int key = 1; u64 one = 1, two = 2; u32 at = 0; int status;
        T.update(&key, &one);
        status = T.insert(&key, &two); R.update(&at, &status); at++;
        status = T.delete(&key); R.update(&at, &status); at++;
        status = T.delete(&key); R.update(&at, &status);
        key = 2; T.insert(&key, &two);
        return RX_OK;
        """,
        hook,
        "BPF_HASH(T, int, u64, 8); BPF_ARRAY(R, int, 3);",
    )
    loaded.program.test_run(PACKET)

    assert [-17, 0, -2] == [
        struct.unpack("<i", loaded.maps["R"].lookup(struct.pack("<I", index)) or b"")[0] for index in range(3)
    ]
    assert 2 == number(loaded, "T", 2)
    assert loaded.maps["T"].lookup(struct.pack("<I", 1)) is None


@both_hooks
@pytest.mark.parametrize(("macro", "order"), [("BPF_QUEUE", [2, 3]), ("BPF_STACK", [3, 2])])
def test_push_pop_order(dialect: Dialect, hook: Hook, macro: str, order: list[int]) -> None:
    """A queue gives back the oldest, a stack the youngest; BPF_EXIST makes room at the old end of a queue."""
    oldest_first = macro == "BPF_QUEUE"
    loaded = dialect.handler(
        f"""
        u32 v;
        v = 1; Q.push(&v, 0);
        v = 2; Q.push(&v, 0);
        {"" if oldest_first else "Q.pop(&v); Q.pop(&v); v = 2; Q.push(&v, 0);"}
        v = 3; Q.push(&v, BPF_EXIST);
        int key = 0; if (Q.peek(&v) == 0) PEEKED.update(&key, &v);
        return RX_OK;
        """,
        hook,
        f"{macro}(Q, u32, 2); BPF_ARRAY(PEEKED, u32, 1);",
    )
    loaded.program.test_run(PACKET)
    popped = [loaded.maps["Q"].pop(), loaded.maps["Q"].pop(), loaded.maps["Q"].pop()]

    assert [struct.pack("<I", value) for value in order] + [None] == popped
    assert order[0] == number(loaded, "PEEKED")


@both_hooks
@pytest.mark.parametrize("direction", list(Direction))
def test_log_record_says_who_when_and_what(
    dialect: Dialect, records: Records, hook: Hook, direction: Direction
) -> None:
    if hook is Hook.XDP and direction is Direction.EGRESS:
        direction = Direction.INGRESS  # XDP sees received packets only
    ring = dialect.ring()
    loaded = dialect.handler(
        'pcn_log(ctx, LOG_WARN, "%d from %I); %P", (s8)-2, bpf_htonl(0x0a000001), md->packet_len); return RX_OK;',
        hook,
        direction=direction,
        constants={"dynmon_cube_id": 42, "dynmon_log_level": 3},
        reuse={"dynmon_log": ring.fd},
    )
    loaded.program.test_run(PACKET)
    (record,) = records(ring)
    kind, cube, way, level, time_ns, *arguments, count, size = RECORD.unpack_from(record)

    assert (0, 42, list(Direction).index(direction), 3) == (kind, cube, way, level)
    assert time_ns > 0
    assert [(1 << 64) - 2, 0x0100000A, len(PACKET), 0] == arguments
    assert (3, b"%d from %I); %P") == (count, record[RECORD.size : RECORD.size + size])


@both_hooks
def test_log_level_is_set_at_load(dialect: Dialect, records: Records, hook: Hook) -> None:
    """What is below the level is not sent; what is off the level costs no instruction."""
    body = "".join(
        f'pcn_log(ctx, LOG_{name}, "{name}");' for name in ("TRACE", "DEBUG", "INFO", "WARN", "ERR", "CRITICAL")
    )
    sizes = []
    for level in range(7):
        ring = dialect.ring()
        loaded = dialect.handler(
            body + "return RX_OK;", hook, constants={"dynmon_log_level": level}, reuse={"dynmon_log": ring.fd}
        )
        loaded.program.test_run(PACKET)
        said = [RECORD.unpack_from(record)[3] for record in records(ring)]
        sizes.append(loaded.program.instructions)

        assert list(range(level, 6)) == said
    assert sorted(sizes, reverse=True) == sizes
    assert sizes[6] < sizes[0] / 3


@both_hooks
def test_a_full_log_does_not_touch_the_packet(dialect: Dialect, records: Records, hook: Hook) -> None:
    ring = dialect.ring()
    loaded = dialect.handler(
        'pcn_log(ctx, LOG_INFO, "again"); C.increment(0); return RX_OK;',
        hook,
        "BPF_ARRAY(C, u64, 1);",
        reuse={"dynmon_log": ring.fd},
    )
    result = loaded.program.test_run(PACKET, repeat=5000)

    assert PASS[hook] == result.verdict
    assert 5000 == number(loaded, "C")
    assert 0 < len(records(ring)) < 5000


@both_hooks
@pytest.mark.parametrize("size", [14, 60, 255, 256, 257, 1400])
def test_packet_to_the_controller(dialect: Dialect, records: Records, hook: Hook, size: int) -> None:
    """The first 256 bytes, the length, the reason and three words; the packet passes."""
    ring = dialect.ring()
    loaded = dialect.handler(
        "u32 words[3] = {1, 2, 3}; return pcn_pkt_controller_with_metadata(ctx, md, 9, words);",
        hook,
        reuse={"dynmon_log": ring.fd},
    )
    packet = ethernet(raw(bytes(number % 251 for number in range(size - 14)), 0x1234))
    result = loaded.program.test_run(packet)
    (record,) = records(ring)
    kind, _, _, level, _, *arguments, count, sent = RECORD.unpack_from(record)

    assert PASS[hook] == result.verdict
    assert (1, 0, 4) == (kind, level, count)
    assert [9, size, 1 | 2 << 32, 3] == arguments
    assert packet[:256] == record[RECORD.size : RECORD.size + sent]


@both_hooks
def test_time_since_the_epoch(dialect: Dialect, hook: Hook) -> None:
    loaded = dialect.handler(
        "int key = 0; u64 before = bpf_ktime_get_ns(), now = pcn_get_time_epoch() - before; T.update(&key, &now);"
        "return RX_OK;",
        hook,
        "BPF_ARRAY(T, u64, 1);",
        constants={"dynmon_epoch_base": 1 << 60},
    )
    loaded.program.test_run(PACKET)

    assert 0 <= number(loaded, "T") - (1 << 60) < 1_000_000_000


@both_hooks
def test_loads_by_offset(dialect: Dialect, hook: Hook) -> None:
    """Host byte order; zero behind the end of the packet."""
    loads = [
        f"load_half(ctx, {UDP_AT})",
        f"load_byte(ctx, {IP + 9})",
        f"load_word(ctx, {IP + 16})",
        f"load_dword(ctx, {UDP_AT + 8})",
        f"load_half(ctx, {IP} + (load_byte(ctx, {IP}) & 15) * 4 + 2)",
        "load_word(ctx, 100000)",
        f"bpf_dext_pkt(ctx, {IP}, 4, 4)",
        f"bpf_dext_pkt(ctx, {IP + 16}, 8, 16)",
    ]
    stores = "".join(f"value = {load}; R.update(&key, &value); key++;" for load in loads)
    loaded = dialect.handler(f"int key = 0; u64 value; {stores} return RX_OK;", hook, "BPF_ARRAY(R, u64, 16);")
    loaded.program.test_run(PACKET)

    assert [
        4000,
        17,
        int.from_bytes(PACKET[30:34]),
        int.from_bytes(b"01234567"),
        53,
        0,
        5,
        int.from_bytes(PACKET[31:33]),
    ] == [number(loaded, "R", index) for index in range(len(loads))]


@both_hooks
def test_stores_by_offset(dialect: Dialect, hook: Hook) -> None:
    loaded = dialect.handler(
        "bpf_store_byte(ctx, 0, 0x11); bpf_store_half(ctx, 1, 0x2233); bpf_store_word(ctx, 3, 0x44556677);"
        "bpf_store_dword(ctx, 42, 0x0102030405060708); bpf_dins_pkt(ctx, 14, 4, 4, 6); return RX_OK;",
        hook,
    )
    after = loaded.program.test_run(PACKET).packet

    assert bytes.fromhex("11223344556677") == after[:7]
    assert bytes.fromhex("0102030405060708") == after[42:50]
    assert 0x46 == after[14]


@both_hooks
def test_cursor_parsing(dialect: Dialect, hook: Hook) -> None:
    """BCC's header structures over a pointer into the packet."""
    loaded = dialect.handler(
        """
        u8 *cursor = (void *)(long)ctx->data;
        struct ethernet_t *eth = cursor_advance(cursor, sizeof(*eth));
        struct ip_t *ip = cursor_advance(cursor, sizeof(*ip));
        struct udp_t *udp = cursor_advance(cursor, sizeof(*udp));
        if ((void *)cursor > (void *)(long)ctx->data_end) return RX_DROP;
        int key = 0; u64 value;
        value = bpf_ntohs(eth->type); R.update(&key, &value); key++;
        value = ip->ver; R.update(&key, &value); key++;
        value = ip->hlen; R.update(&key, &value); key++;
        value = ip->nextp; R.update(&key, &value); key++;
        value = bpf_ntohl(ip->dst); R.update(&key, &value); key++;
        value = bpf_ntohs(udp->dport); R.update(&key, &value);
        return RX_OK;
        """,
        hook,
        "#include <bcc/proto.h>\nBPF_ARRAY(R, u64, 16);",
    )
    result = loaded.program.test_run(PACKET)

    assert PASS[hook] == result.verdict
    assert [0x0800, 4, 5, 17, 0x0A010002, 53] == [number(loaded, "R", index) for index in range(6)]


@both_hooks
def test_checksums_stay_right(dialect: Dialect, hook: Hook) -> None:
    """A changed address: IP by the header's rule, UDP over the pseudo header, both as Python computes them."""
    loaded = dialect.handler(
        f"""
        __be32 new = bpf_htonl(0xc0a80763), old = bpf_htonl(load_word(ctx, {IP + 16}));
        if (pcn_l3_csum_replace(ctx, {IP + 10}, old, new, 4)) return RX_DROP;
        if (pcn_l4_csum_replace(ctx, {UDP_AT + 6}, old, new, 4 | BPF_F_PSEUDO_HDR | BPF_F_MARK_MANGLED_0))
            return RX_DROP;
        bpf_store_word(ctx, {IP + 16}, 0xc0a80763);
        return RX_OK;
        """,
        hook,
    )
    result = loaded.program.test_run(PACKET)

    assert PASS[hook] == result.verdict
    assert ethernet(ipv4(udp(b"0123456789abcdef", sport=4000, dport=53), destination="192.168.7.99")) == result.packet


@both_hooks
def test_checksum_by_difference(dialect: Dialect, hook: Hook) -> None:
    """A changed word of 16 bits, through BCC's form in host byte order and through pcn_csum_diff."""
    loaded = dialect.handler(
        f"""
        u16 old = load_half(ctx, {IP + 4}), new = 0xbeef;
        incr_cksum_l3({IP + 10}, old, new);
        bpf_store_half(ctx, {IP + 4}, new);
        __be32 from = bpf_htonl(load_word(ctx, {UDP_AT + 8})), to = bpf_htonl(0xdeadbeef);
        pcn_l4_csum_replace(ctx, {UDP_AT + 6}, 0, pcn_csum_diff(&from, 4, &to, 4, 0), 0);
        bpf_store_word(ctx, {UDP_AT + 8}, 0xdeadbeef);
        return RX_OK;
        """,
        hook,
    )
    after = loaded.program.test_run(PACKET).packet
    pseudo_header = after[IP + 12 : IP + 20] + bytes([0, 17]) + after[UDP_AT + 4 : UDP_AT + 6]

    assert b"\xbe\xef" == after[IP + 4 : IP + 6]
    assert b"\xde\xad\xbe\xef" == after[UDP_AT + 8 : UDP_AT + 12]
    assert 0 == internet_checksum(after[IP:UDP_AT])
    assert 0 == internet_checksum(pseudo_header + after[UDP_AT:])


def test_update_csum_at_xdp(dialect: Dialect) -> None:
    loaded = dialect.handler(
        """
        struct iphdr *ip = (void *)(long)ctx->data + 14;
        if ((void *)(ip + 1) > (void *)(long)ctx->data_end) return RX_DROP;
        ip->ttl = 3;
        pcn_update_csum(ip);
        return RX_OK;
        """,
        Hook.XDP,
    )
    after = loaded.program.test_run(PACKET).packet

    assert 3 == after[IP + 8]
    assert 0 == internet_checksum(after[IP:UDP_AT])


def test_vlan_tags_at_xdp(dialect: Dialect) -> None:
    """Push makes the very frame that a host with a VLAN interface would send; pop takes it back."""
    inner = ipv4(udp(b"x" * 20))
    tagged = ethernet(vlan(inner, 7))
    push = dialect.handler("return pcn_vlan_push_tag(ctx, bpf_htons(ETH_P_8021Q), 7) ? RX_DROP : RX_OK;", Hook.XDP)
    pop = dialect.handler("return pcn_vlan_pop_tag(ctx) ? RX_DROP : RX_OK;", Hook.XDP)

    assert (PASS[Hook.XDP], tagged) == _outcome(push, ethernet(inner))
    assert (PASS[Hook.XDP], ethernet(inner)) == _outcome(pop, tagged)
    assert (DROP[Hook.XDP], ethernet(inner)) == _outcome(pop, ethernet(inner))


def test_vlan_facts_at_xdp(dialect: Dialect) -> None:
    loaded = dialect.handler(VLAN_FACTS + "return RX_OK;", Hook.XDP, VLAN_MAP)

    loaded.program.test_run(ethernet(vlan(ipv4(udp()), 0x3ABC)))
    assert [1, 0xABC, 0x0081] == [number(loaded, "R", index) for index in range(3)]
    loaded.program.test_run(PACKET)
    assert [0, 0xFFFFFFFF, 0xFFFFFFFF] == [number(loaded, "R", index) for index in range(3)]


def test_vlan_tags_at_tc(dialect: Dialect) -> None:
    """The kernel keeps the tag beside the packet: it can be asked for, and popped again."""
    loaded = dialect.handler(
        f"if (pcn_vlan_push_tag(ctx, bpf_htons(ETH_P_8021Q), 0xabc)) return RX_DROP; {VLAN_FACTS}"
        "if (pcn_vlan_pop_tag(ctx) || pcn_is_vlan_present(ctx) || pcn_get_vlan_id(ctx) != -1) return RX_DROP;"
        "return RX_OK;",
        Hook.TC,
        VLAN_MAP,
    )

    assert (PASS[Hook.TC], PACKET) == _outcome(loaded, PACKET)
    assert [1, 0xABC, 0x0081] == [number(loaded, "R", index) for index in range(3)]


VLAN_MAP = "BPF_ARRAY(R, u32, 4);"
VLAN_FACTS = """
    int key = 0; u32 fact;
    fact = pcn_is_vlan_present(ctx); R.update(&key, &fact); key++;
    fact = pcn_get_vlan_id(ctx); R.update(&key, &fact); key++;
    fact = pcn_get_vlan_proto(ctx); R.update(&key, &fact);
"""


def _outcome(loaded: LoadedObject, packet: bytes) -> tuple[int, bytes]:
    result = loaded.program.test_run(packet)
    return result.verdict, result.packet


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        *((f"bpf_log2l({value}UL + zero)", max(value, 1).bit_length()) for value in (0, 1, 2, 3, 4, 255, 256, 1 << 40)),
        *(
            (f"bpf_log2({value}U + zero)", max(value, 1).bit_length() - 1)
            for value in (0, 1, 2, 3, 4, 255, 256, 1 << 31)
        ),
        ("bpf_htonll(0x0102030405060708ULL + zero)", 0x0807060504030201),
        ("(u64)(bpf_hton128((unsigned __int128)0x0102 + zero) >> 112)", 0x0201),
        ("MASK(12)", 0xFFF),
        ("MASK(64)", (1 << 64) - 1),
        ("memcmp(&zero, &one, 4)", (1 << 64) - 1),
        ("pcn_csum_fold(0x1fffd + zero)", 1),
        ("pcn_csum16_add(0xffff, 2 + zero)", 2),
        ("pcn_csum_add(0xffffffff, 2 + zero)", 2),
    ],
)
def test_arithmetic(dialect: Dialect, call: str, expected: int) -> None:
    loaded = dialect.handler(
        f"int key = 0; u32 zero = md->reason, one = zero + 1; u64 value = {call}; R.update(&key, &value);return RX_OK;",
        declarations="BPF_ARRAY(R, u64, 1);",
    )
    loaded.program.test_run(PACKET)

    assert expected == number(loaded, "R")
