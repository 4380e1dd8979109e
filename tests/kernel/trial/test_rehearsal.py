"""Code tried in the kernel: what is counted, what is bounded, and that nothing is left."""

import time

import pytest

from dynmon.errors import InjectionError
from dynmon.models import CubeType, DataplaneConfig, Direction, LogLevel
from dynmon.trial import NothingToTry, Rehearsal, ReplayLimits, packets, rehearse, workbench
from dynmon.trial import rehearsal as module
from tests.packets import arp, ethernet, ipv4, ipv6, udp, vlan
from tests.support import needs
from tests.unit.trial.capture_files import pcap

pytestmark = needs("kernel", "clang")

HANDLER = """
static __always_inline int handle_rx(struct CTXTYPE *ctx, struct pkt_metadata *md)
{{
	u32 zero = 0, length = md->packet_len;
	{body}
	return RX_OK;
}}
"""
FRAME = ethernet(ipv4(udp(b"x" * 18)))


@pytest.fixture(scope="module")
def foundry(tmp_path_factory):
    with workbench(tmp_path_factory.mktemp("cache")) as bench:
        config = DataplaneConfig.model_validate({"ingress-path": {"code": HANDLER.format(body="")}}, by_alias=True)
        rehearse(bench, Rehearsal(config, CubeType.TC, LogLevel.INFO))  # starts the compiler
        yield bench


@pytest.fixture
def tried(foundry, no_leaks):
    """Tries ingress code on frames."""

    def run(declarations, body, *frames, cube_type=CubeType.TC, limits=None, level=LogLevel.TRACE, **path):
        code = declarations + HANDLER.format(body=body)
        document = {"ingress-path": {"name": "tried", "code": code, **path}}
        config = DataplaneConfig.model_validate(document, by_alias=True)
        trial = Rehearsal(config, cube_type, level, capture=pcap(*frames), limits=limits or ReplayLimits())
        return rehearse(foundry, trial)

    return run


def entries(report, name):
    [found] = [each["entries"] for each in report["maps"] if each["name"] == name]
    return found


@pytest.mark.parametrize("cube_type", [CubeType.TC, CubeType.XDP_SKB])
def test_each_packet_runs_once(tried, cube_type):
    report = tried("BPF_ARRAY(N, u64, 1);", "N.increment(zero);", *[FRAME] * 1000, cube_type=cube_type)

    assert [1000] == entries(report, "N")
    assert {"total": 1000, "run": 1000, "skipped": [], "stopped": None} == report["packets"]
    assert [{"verdict": "pass", "returned": "RX_OK", "packets": 1000}] == report["verdicts"]


@pytest.mark.parametrize("cube_type", [CubeType.TC, CubeType.XDP_SKB])
def test_the_code_sees_the_frames_of_the_capture(tried, cube_type):
    """To the byte, whatever protocol they are."""
    frames = [FRAME, ethernet(ipv6(udp())), ethernet(vlan(ipv4(udp()))), ethernet(arp()), bytes(14), bytes(3000)]
    report = tried(
        "BPF_QUEUE(SEEN, struct seen, 16);".replace("BPF", "struct seen { u32 length; u16 proto; };\nBPF"),
        """
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct seen one = {.length = length};
	if (data + 14 <= end) {
		struct ethhdr *eth = data;
		one.proto = bpf_ntohs(eth->h_proto);
	}
	SEEN.push(&one, 0);
	""",
        *frames,
        cube_type=cube_type,
    )

    expected = [{"length": len(frame), "proto": int.from_bytes(frame[12:14], "big")} for frame in frames]
    assert expected == entries(report, "SEEN")


def test_frames_that_the_kernel_takes_no_packet_of_are_skipped(tried):
    report = tried("BPF_ARRAY(N, u64, 1);", "N.increment(zero);", b"", b"x" * 13, FRAME[:14], FRAME)

    assert [1] == entries(report, "N")
    assert [2, 1] == [each["packets"] for each in report["packets"]["skipped"]]
    assert (4, 1) == (report["packets"]["total"], report["packets"]["run"])


@pytest.mark.parametrize("cube_type", [CubeType.TC, CubeType.XDP_SKB])
def test_giants_are_seen(tried, cube_type):
    report = tried(
        "BPF_ARRAY(N, u64, 1);", "N.increment(zero);", ethernet(ipv4(udp(b"x" * 60000))), FRAME, cube_type=cube_type
    )

    assert [2] == entries(report, "N")
    if cube_type is CubeType.TC:
        assert [note for note in report["notes"] if note.startswith("packets that are longer")]


def test_queues_and_stacks_are_told_everywhere_though_reading_empties_them(tried):
    metric = {"map-name": "Q", "open-metrics-metadata": {"type": "gauge", "help": "Lengths"}}
    report = tried(
        "BPF_QUEUE(Q, u32, 8);\nBPF_STACK(S, u32, 8);",
        "Q.push(&length, 0); S.push(&length, 0);",
        *[FRAME + bytes(size) for size in range(3)],
        **{"metric-configs": [{"name": "q", **metric}, {"name": "s", **metric, "map-name": "S"}]},
    )

    assert [60, 61, 62] == entries(report, "Q")
    assert [62, 61, 60] == entries(report, "S")
    assert {"q": [60, 61, 62], "s": [62, 61, 60]} == {each["name"]: each["value"] for each in report["metrics"]}
    for text in (report["open-metrics"], report["prometheus"]):
        assert ['q{index="0"} 60', 's{index="0"} 62'] == [line for line in text.splitlines() if '"0"' in line]


def test_contents_and_log_are_bounded(tried, monkeypatch):
    monkeypatch.setattr(module, "MAX_LOG_LINES", 2)
    report = tried(
        "BPF_ARRAY(A, u64, 10);\nBPF_HASH(H, u32, u64, 10);",
        'H.increment(length); pcn_log(ctx, LOG_DEBUG, "%d bytes", length); pcn_log(ctx, LOG_DEBUG, "done");',
        *[FRAME + bytes(size) for size in range(5)],
        limits=ReplayLimits(entries=3),
    )

    assert {"A": (3, 7), "H": (3, 2)} == {
        each["name"]: (len(each["entries"]), each["left-out"]) for each in report["maps"]
    }
    assert [(1, "DEBUG", "60 bytes"), (1, "DEBUG", "done")] == [tuple(line.values()) for line in report["log"]["lines"]]
    assert 8 == report["log"]["left-out"]


def test_a_log_level_is_kept(tried):
    report = tried("", 'pcn_log(ctx, LOG_DEBUG, "x"); pcn_log(ctx, LOG_ERR, "y");', FRAME, level=LogLevel.INFO)

    assert ["y"] == [line["text"] for line in report["log"]["lines"]]


def test_a_replay_stops_where_it_must(tried):
    counted = tried("BPF_ARRAY(N, u64, 1);", "N.increment(zero);", *[FRAME] * 9, limits=ReplayLimits(packets=5))
    timed = tried("", "", *[FRAME] * 9, limits=ReplayLimits(seconds=-1))

    assert [5] == entries(counted, "N")
    assert (5, "after 5 packets, the most that one dry run takes") == (
        counted["packets"]["total"],
        counted["packets"]["stopped"],
    )
    assert (0, "after -1 seconds, with 0 packets") == (timed["packets"]["total"], timed["packets"]["stopped"])
    assert timed["ns-per-packet"] is None


def test_a_hundred_thousand_packets_take_seconds(tried):
    started = time.monotonic()
    report = tried("BPF_ARRAY(N, u64, 1);", "N.increment(zero);", *[FRAME] * 100_000)

    assert [100_000] == entries(report, "N")
    assert time.monotonic() - started < 30


def test_code_that_cannot_run_leaves_nothing(tried):
    with pytest.raises(InjectionError):
        tried("", "", FRAME, **{"metric-configs": [{"name": "m", "map-name": "GONE"}]})
    with pytest.raises(InjectionError):
        tried("", "*(volatile u8 *)(long)ctx->data = 1;", FRAME)


def test_packets_need_code(foundry):
    with pytest.raises(NothingToTry, match="there is no ingress code"):
        rehearse(foundry, Rehearsal(DataplaneConfig(), CubeType.TC, LogLevel.INFO, capture=pcap(FRAME)))
    sent = Rehearsal(DataplaneConfig(), CubeType.TC, LogLevel.INFO, capture=pcap(FRAME), direction=Direction.EGRESS)
    with pytest.raises(NothingToTry, match="there is no egress code"):
        rehearse(foundry, sent)
    assert {"explanation": {}} == rehearse(foundry, Rehearsal(DataplaneConfig(), CubeType.TC, LogLevel.INFO))


def test_a_capture_may_be_a_stream(tmp_path):
    (tmp_path / "a.pcap").write_bytes(pcap(FRAME, FRAME))

    with (tmp_path / "a.pcap").open("rb") as stream:
        assert [FRAME, FRAME] == [packet.frame for packet in packets(stream)]
