/* The program that the kernel runs: fill the metadata, ask the user's handle_rx, translate its verdict. */
#ifndef DYNMON_PROGRAM_H
#define DYNMON_PROGRAM_H

char dynmon_license[] SEC("license") = "GPL";

/* Verdicts that were not carried out: those without a meaning, and in a passive cube RX_DROP. */
enum {
	DYNMON_ANOMALY,
#ifdef DYNMON_PASSIVE
	DYNMON_WITHHELD_DROP,
#endif
	DYNMON_REFUSED_VERDICTS,
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__type(key, __u32);
	__type(value, __u64);
	__uint(max_entries, DYNMON_REFUSED_VERDICTS);
} dynmon_anomalies SEC(".maps") DYNMON_TAG("predefined");

static __always_inline int handle_rx(struct CTXTYPE *ctx, struct pkt_metadata *md);

#ifdef DYNMON_HOOK_XDP
#define DYNMON_SECTION "xdp"
#define DYNMON_PASS XDP_PASS
#define DYNMON_DROP XDP_DROP
#else
#define DYNMON_SECTION "tc"
#define DYNMON_PASS TC_ACT_UNSPEC
#define DYNMON_DROP TC_ACT_SHOT
#endif

#if POLYCUBE_PROGRAM_TYPE == 0
#define DYNMON_PROGRAM dynmon_ingress
#else
#define DYNMON_PROGRAM dynmon_egress
#endif

static __always_inline void dynmon_count_verdict(__u32 kind)
{
	__u64 *packets = bpf_map_lookup_elem(&dynmon_anomalies, &kind);

	if (packets)
		*packets += 1;
}

#ifdef DYNMON_HOOK_XDP
/*
 * Written in assembly because clang may keep a 32-bit half of the pointers for later, which the verifier refuses.
 * Not volatile: without a use of the length, there is no instruction.
 */
static __always_inline __u32 dynmon_frame_length(struct CTXTYPE *ctx)
{
	long start = ctx->data, end = ctx->data_end;

	asm("%0 -= %1" : "+r"(end) : "r"(start));
	return end;
}
#endif

#ifdef DYNMON_PASSIVE
#include <dynmon/passive.h>
#else

/* A monitor fails open: a verdict that means nothing here lets the packet pass, and is counted. */
static __always_inline int dynmon_verdict(int verdict)
{
	if (verdict == RX_OK)
		return DYNMON_PASS;
	if (verdict == RX_DROP)
		return DYNMON_DROP;

	dynmon_count_verdict(DYNMON_ANOMALY);
	return DYNMON_PASS;
}

#ifdef DYNMON_HOOK_XDP
SEC(DYNMON_SECTION) int DYNMON_PROGRAM(struct xdp_md *ctx)
{
	struct pkt_metadata md __attribute__((aligned(8))) = {
		.packet_len = dynmon_frame_length(ctx),
	};

	return dynmon_verdict(handle_rx(ctx, &md));
}
#else
SEC(DYNMON_SECTION) int DYNMON_PROGRAM(struct __sk_buff *ctx)
{
	__u32 mark = ctx->mark;
	struct pkt_metadata md __attribute__((aligned(8))) = {
		.packet_len = ctx->len,
		.traffic_class = mark,
	};
	int verdict = handle_rx(ctx, &md);

	if (md.traffic_class != mark)
		ctx->mark = md.traffic_class;
	return dynmon_verdict(verdict);
}
#endif

#endif

#endif
