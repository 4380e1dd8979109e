#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#ifndef __noinline
#define __noinline __attribute__((noinline))
#endif

struct stats {
	__u64 packets;
	__u64 bytes;
};

struct stats stats = {};
volatile const int limit = 1500;

/* Verified on their own, once. */
__noinline int is_large(struct __sk_buff *skb)
{
	return skb->len > limit;
}

__noinline int add(struct stats *to, __u64 bytes)
{
	if (!to)
		return -1;
	to->packets++;
	to->bytes += bytes;
	return 0;
}

static __noinline int subprogram(struct __sk_buff *skb, int depth)
{
	return skb->mark + depth;
}

SEC("tc")
int with_functions(struct __sk_buff *skb)
{
	struct stats mine = stats;

	if (is_large(skb))
		add(&mine, skb->len);
	stats = mine;
	return subprogram(skb, 3) == 4 ? 2 : -1;
}

char _license[] SEC("license") = "GPL";
