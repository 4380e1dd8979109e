/* SPDX-License-Identifier: GPL-2.0 */
/* A chain of XDP programs whose jump table is filled where it is declared. */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_endian.h>

#define PROG_UDP 0
#define PROG_TCP 1
#define PROG_LAST 3

int xdp_udp(struct xdp_md *ctx);
int xdp_tcp(struct xdp_md *ctx);
int xdp_last(struct xdp_md *ctx);

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 4);
	__uint(key_size, sizeof(__u32));
	__array(values, int (void *));
} xdp_progs SEC(".maps") = {
	.values = {
		[PROG_UDP] = (void *)&xdp_udp,
		[PROG_TCP] = (void *)&xdp_tcp,
		[PROG_LAST] = (void *)&xdp_last,
	},
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 4);
	__type(key, __u32);
	__type(value, __u64);
} visits SEC(".maps");

static __always_inline void visit(__u32 where)
{
	__u64 *count = bpf_map_lookup_elem(&visits, &where);

	if (count)
		__sync_fetch_and_add(count, 1);
}

SEC("xdp")
int xdp_udp(struct xdp_md *ctx)
{
	visit(PROG_UDP);
	bpf_tail_call(ctx, &xdp_progs, PROG_LAST);
	return XDP_ABORTED;
}

SEC("xdp")
int xdp_tcp(struct xdp_md *ctx)
{
	visit(PROG_TCP);
	bpf_tail_call(ctx, &xdp_progs, PROG_LAST);
	return XDP_ABORTED;
}

SEC("xdp")
int xdp_last(struct xdp_md *ctx)
{
	visit(PROG_LAST);
	return XDP_PASS;
}

SEC("xdp")
int xdp_dispatcher(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *data_end = (void *)(long)ctx->data_end;
	struct iphdr *iph = data + sizeof(struct ethhdr);

	if ((void *)(iph + 1) > data_end)
		return XDP_PASS;
	if (iph->protocol == IPPROTO_UDP)
		bpf_tail_call(ctx, &xdp_progs, PROG_UDP);
	else if (iph->protocol == IPPROTO_TCP)
		bpf_tail_call(ctx, &xdp_progs, PROG_TCP);
	else
		bpf_tail_call(ctx, &xdp_progs, 2); /* nobody there: falls through */
	visit(2);
	return XDP_PASS;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
