// SPDX-License-Identifier: (GPL-2.0 OR BSD-2-Clause)
// Drops what comes from listed networks, and what one source sends above its allowance.
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/udp.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_endian.h>

#define NANOSECONDS_PER_SECOND 1000000000ULL

/* Filled in by the control program before load */
const volatile struct {
	__u64 tokens_per_second;
	__u64 burst;
	__u32 enforce;
} cfg = {
	.tokens_per_second = 1000,
	.burst = 100,
	.enforce = 1,
};

struct lpm_v4_key {
	__u32 prefixlen;
	__u8 addr[4];
};

struct lpm_v6_key {
	__u32 prefixlen;
	struct in6_addr addr;
};

struct bucket {
	__u64 tokens;
	__u64 last;
	__u32 dropped;
};

enum drop_reason {
	REASON_PASSED,
	REASON_BLACKLIST_V4,
	REASON_BLACKLIST_V6,
	REASON_RATE,
	__REASON_MAX,
};

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, 10000);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct lpm_v4_key);
	__type(value, __u64);
} blacklist_v4 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, 10000);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct lpm_v6_key);
	__type(value, __u64);
} blacklist_v6 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1000000);
	__type(key, __be32);
	__type(value, struct bucket);
} buckets SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, __REASON_MAX);
	__type(key, enum drop_reason);
	__type(value, __u64);
} verdict_cnt SEC(".maps");

static __always_inline int verdict(enum drop_reason reason)
{
	__u32 key = reason;
	__u64 *value = bpf_map_lookup_elem(&verdict_cnt, &key);

	if (value)
		*value += 1;
	return reason == REASON_PASSED || !cfg.enforce ? XDP_PASS : XDP_DROP;
}

static __noinline int take_token(__be32 saddr)
{
	__u64 now = bpf_ktime_get_ns(), earned;
	struct bucket *b, fresh = { .tokens = cfg.burst - 1, .last = now };

	b = bpf_map_lookup_elem(&buckets, &saddr);
	if (!b) {
		bpf_map_update_elem(&buckets, &saddr, &fresh, BPF_NOEXIST);
		return 1;
	}
	earned = (now - b->last) * cfg.tokens_per_second / NANOSECONDS_PER_SECOND;
	if (earned) {
		b->last = now;
		b->tokens = b->tokens + earned < cfg.burst ? b->tokens + earned : cfg.burst;
	}
	if (!b->tokens) {
		b->dropped++;
		return 0;
	}
	b->tokens--;
	return 1;
}

SEC("xdp")
int xdp_filter(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data;
	void *data_end = (void *)(long)ctx->data_end;
	struct lpm_v4_key key4 = { .prefixlen = 32 };
	struct lpm_v6_key key6 = { .prefixlen = 128 };
	struct ethhdr *eth = data;
	struct ipv6hdr *ip6;
	struct iphdr *ip;
	__u64 *hits;

	if ((void *)(eth + 1) > data_end)
		return verdict(REASON_PASSED);

	if (eth->h_proto == bpf_htons(ETH_P_IP)) {
		ip = (void *)(eth + 1);
		if ((void *)(ip + 1) > data_end)
			return verdict(REASON_PASSED);
		__builtin_memcpy(key4.addr, &ip->saddr, sizeof(key4.addr));
		hits = bpf_map_lookup_elem(&blacklist_v4, &key4);
		if (hits) {
			__sync_fetch_and_add(hits, 1);
			return verdict(REASON_BLACKLIST_V4);
		}
		if (!take_token(ip->saddr))
			return verdict(REASON_RATE);
	} else if (eth->h_proto == bpf_htons(ETH_P_IPV6)) {
		ip6 = (void *)(eth + 1);
		if ((void *)(ip6 + 1) > data_end)
			return verdict(REASON_PASSED);
		key6.addr = ip6->saddr;
		hits = bpf_map_lookup_elem(&blacklist_v6, &key6);
		if (hits) {
			__sync_fetch_and_add(hits, 1);
			return verdict(REASON_BLACKLIST_V6);
		}
	}
	return verdict(REASON_PASSED);
}

char _license[] SEC("license") = "GPL";
