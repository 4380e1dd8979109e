"""What the proof of a passive program has to have in common with the program, and what becomes of it."""

import json

import pytest

from dynmon.bpf import NotPassive
from tests.kernel.bpf.conftest import request_for
from tests.support import run

PROOF = "dynmon_passive"
# Two functions that differ in one number, and two programs that each call one of them.
TWO_PROGRAMS = """
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} passive_packets SEC(".maps");

#define COUNTER(NAME, STEP) \\
	static __attribute__((noinline, unused)) int NAME(struct __sk_buff *ctx) \\
	{ \\
		__u32 key = 0; \\
		__u64 *count = bpf_map_lookup_elem(&passive_packets, &key); \\
		if (count) \\
			__sync_fetch_and_add(count, STEP); \\
		return ctx->len; \\
	}
COUNTER(one, 1)
COUNTER(two, 2)

SEC("tc") int dynmon_ingress(struct __sk_buff *ctx)
{
	return one(ctx) == 7 ? TC_ACT_SHOT : TC_ACT_UNSPEC;
}

SEC("cgroup_skb/ingress") int dynmon_passive(struct __sk_buff *ctx)
{
	return CALLED(ctx) != 0;
}
"""

WRITER = """
static __attribute__((noinline)) int write(struct __sk_buff *ctx)
{
	void *data = (void *)(long)ctx->data;
	if (data + 14 > (void *)(long)ctx->data_end)
		return 0;
	*(__u8 *)data = 7;
	return 1;
}

SEC("tc") int dynmon_ingress(struct __sk_buff *ctx)
{
	return write(ctx) ? TC_ACT_UNSPEC : TC_ACT_OK;
}

SEC("cgroup_skb/ingress") int dynmon_passive(struct __sk_buff *ctx)
{
	return write(ctx);
}
"""


def test_other_instructions_are_no_proof(loader):
    """Both programs pass the verifier, and the second does not call what the first does."""
    with pytest.raises(NotPassive, match="the instructions that would run are not those of the proof"):
        loader.load(request_for(TWO_PROGRAMS.replace("CALLED", "two"), proof=PROOF))


def test_the_proof_is_gone_and_shares_the_maps(load):
    """When the program is there, nothing else is."""
    loaded = load(TWO_PROGRAMS.replace("CALLED", "one"), proof=PROOF)
    loaded.program.test_run(bytes(64), repeat=7)

    assert 7 == int.from_bytes(loaded.maps["passive_packets"].lookup(bytes(4)), "little")
    assert 1 == len(named("map", "passive_packets"[:15]))
    assert [] == named("prog", PROOF)


def test_code_that_writes_has_no_proof(loader):
    """It is harmless at its own hook, and cannot be loaded where nothing writes."""
    with pytest.raises(NotPassive, match="cannot write into packet"):
        loader.load(request_for(WRITER, proof=PROOF))


def named(kind, name):
    """The kernel's programs or maps of this name."""
    return [each for each in json.loads(run("bpftool", "--json", kind, "show")) if each.get("name") == name]
