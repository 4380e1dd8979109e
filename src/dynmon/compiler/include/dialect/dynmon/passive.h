/*
 * The program of a passive cube, and the proof that it is passive.
 *
 * We want code of a stranger to look at packets, and the kernel to guarantee that it does no more: no drop, no changed
 * byte, no redirect. Reading the source proves nothing, and the kernel has no read-only programs at TC and XDP. It has
 * them at a control group's hook: a program of type CGROUP_SKB may read packets as one at TC does, and the verifier
 * refuses every write to them and every helper that would write.
 *
 * So the handler is one function that is not inlined, dynmon_handle, and two programs call it: the one that runs, and
 * dynmon_passive, which is loaded as CGROUP_SKB, never attached, and forgotten. The verifier walks through the same
 * instructions in both. It has to know as little in the second as in the first, or it would skip in the proof, as never
 * reached, what runs for packets; so the only argument is the context, all of whose fields are unknown to it, and what
 * else the handler is told is made by itself. The loader compares the instructions of the two and refuses what a
 * CGROUP_SKB program can do to a packet all the same (dynmon.bpf.passivity).
 *
 * The verdict is the wrapper's, which has nothing of the user's in it: a handler that is not inlined cannot reach the
 * stack and the registers of its caller.
 *
 * At TC a CGROUP_SKB program may write four fields beside the packet: mark, priority, cb and tstamp. They are put back.
 * The copies are volatile: what clang believes of the handler is no proof.
 *
 * At XDP the context is another. The handler gets a copy of its fields on the stack, with whole pointers, which the
 * proof fills from a struct __sk_buff: it has no context to give to a helper, and so cannot move the ends of the packet.
 */
#ifndef DYNMON_PASSIVE_H
#define DYNMON_PASSIVE_H

#define DYNMON_PROOF SEC("cgroup_skb/ingress") int dynmon_passive

static __always_inline int dynmon_verdict(int verdict)
{
	if (verdict != RX_OK)
		dynmon_count_verdict(verdict == RX_DROP ? DYNMON_WITHHELD_DROP : DYNMON_ANOMALY);
	return DYNMON_PASS;
}

/* The verdict is used, or clang might leave out the call. */
static __always_inline int dynmon_proved(int verdict)
{
	asm volatile("" : : "r"(verdict));
	return 1;
}

#ifdef DYNMON_HOOK_XDP

static __noinline int dynmon_handle(struct CTXTYPE *ctx)
{
	struct pkt_metadata md __attribute__((aligned(8))) = {
		.packet_len = dynmon_frame_length(ctx),
	};

	return handle_rx(ctx, &md);
}

SEC(DYNMON_SECTION) int DYNMON_PROGRAM(dynmon_real_xdp_md *ctx)
{
	struct CTXTYPE copy = {
		.data = ctx->data,
		.data_end = ctx->data_end,
		.ingress_ifindex = ctx->ingress_ifindex,
		.rx_queue_index = ctx->rx_queue_index,
	};

	return dynmon_verdict(dynmon_handle(&copy));
}

DYNMON_PROOF(struct __sk_buff *ctx)
{
	struct CTXTYPE copy = {
		.data = ctx->data,
		.data_end = ctx->data_end,
		.ingress_ifindex = ctx->ingress_ifindex,
		.rx_queue_index = ctx->queue_mapping,
	};

	return dynmon_proved(dynmon_handle(&copy));
}

#else

/* A traffic class that the code sets is not carried out. */
static __noinline int dynmon_handle(struct __sk_buff *ctx)
{
	struct pkt_metadata md __attribute__((aligned(8))) = {
		.packet_len = ctx->len,
		.traffic_class = ctx->mark,
	};

	return handle_rx(ctx, &md);
}

SEC(DYNMON_SECTION) int DYNMON_PROGRAM(struct __sk_buff *ctx)
{
	volatile struct __sk_buff *packet = ctx;
	__u32 mark = packet->mark, priority = packet->priority;
	__u32 cb0 = packet->cb[0], cb1 = packet->cb[1], cb2 = packet->cb[2], cb3 = packet->cb[3], cb4 = packet->cb[4];
	__u64 tstamp = packet->tstamp;
	int verdict = dynmon_handle(ctx);

	packet->mark = mark;
	packet->priority = priority;
	packet->cb[0] = cb0;
	packet->cb[1] = cb1;
	packet->cb[2] = cb2;
	packet->cb[3] = cb3;
	packet->cb[4] = cb4;
	if (packet->tstamp != tstamp) {
		/*
		 * A program that reads the type of the time stamp, anywhere, gets and sets the time as it is. Without,
		 * the kernel shows another at ingress, and forgets the type when it is set (Linux 5.18, 8d21ec0e46ed).
		 */
		(void)packet->tstamp_type;
		packet->tstamp = tstamp;
	}
	return dynmon_verdict(verdict);
}

DYNMON_PROOF(struct __sk_buff *ctx)
{
	return dynmon_proved(dynmon_handle(ctx));
}

#endif

#endif
