/*
 * Several programs on the one place that an interface has for XDP, one after the other while each lets the packet pass.
 *
 * A tail call does not come back, but one that a function makes ends with that function: its caller goes on with what
 * the other program returned (Linux 5.10 on x86-64, 6.0 on arm64). So each member is called by a function of its own.
 * These are not static, since the verifier may take a static one to return XDP_PASS always, and cut off what is behind
 * it. Each has its index as a constant, since the kernel makes a direct jump of such a call, which takes 12 ns less.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#define MAX_MEMBERS 33	/* MAX_TAIL_CALL_CNT of the kernel */

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, MAX_MEMBERS);
	__type(key, __u32);
	__type(value, __u32);
} slots SEC(".maps");

const volatile __u32 members = 0;

/* An empty slot is passed over. The compiler must not know either what the function returns. */
#define MEMBER(index) \
__noinline int member_##index(struct xdp_md *ctx) \
{ \
	int verdict = XDP_PASS; \
 \
	bpf_tail_call(ctx, &slots, index); \
	asm volatile("" : "+r"(verdict)); \
	return verdict; \
}

#define CALL(index) \
	if (members <= index) \
		return XDP_PASS; \
	verdict = member_##index(ctx); \
	if (verdict != XDP_PASS) \
		return verdict;

#define EACH(DO) \
	DO(0) DO(1) DO(2) DO(3) DO(4) DO(5) DO(6) DO(7) DO(8) DO(9) DO(10) \
	DO(11) DO(12) DO(13) DO(14) DO(15) DO(16) DO(17) DO(18) DO(19) DO(20) DO(21) \
	DO(22) DO(23) DO(24) DO(25) DO(26) DO(27) DO(28) DO(29) DO(30) DO(31) DO(32)

EACH(MEMBER)

static __always_inline int dispatch(struct xdp_md *ctx)
{
	int verdict;

	EACH(CALL)
	return XDP_PASS;
}

SEC("xdp")
int dynmon_dispatch(struct xdp_md *ctx)
{
	return dispatch(ctx);
}

/* The kernel lets programs call one another only if all of them take packets in fragments, or none does. */
SEC("xdp.frags")
int dynmon_dispatch_fragments(struct xdp_md *ctx)
{
	return dispatch(ctx);
}

char _license[] SEC("license") = "GPL";
