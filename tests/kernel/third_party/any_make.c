// SPDX-License-Identifier: GPL-2.0
/* A little of everything that compilers lay out differently: globals, constants, a function, a string. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct record {
	__u64 packets;
	__u32 bytes;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16);
	__type(key, __u32);
	__type(value, struct record);
} records SEC(".maps");

static __u64 seen;
__u64 total = 7;
static int table[4] = {1, 2, 3, 4};
static const __u32 weights[8] = {9, 8, 7, 6, 5, 4, 3, 2};
const char message[] = "seen %d";

static __attribute__((noinline)) __u64 weigh(struct xdp_md *ctx, int i)
{
	return weights[i & 7] + table[i & 3];
}

SEC("xdp")
int sort(struct xdp_md *ctx)
{
	struct record record = {1, ctx->data_end - ctx->data};
	__u32 key = 3;

	seen++;
	total += weigh(ctx, (int)ctx->rx_queue_index);
	table[1] += 1;
	bpf_map_update_elem(&records, &key, &record, BPF_ANY);
	if (seen > 1000)
		bpf_trace_printk(message, sizeof(message), key);
	return XDP_PASS;
}

char _license[] SEC("license") = "GPL";
