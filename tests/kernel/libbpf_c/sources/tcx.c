#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

__u64 seen;

SEC("tcx/ingress")
int tcx_in(struct __sk_buff *skb)
{
	__sync_fetch_and_add(&seen, 1);
	return skb->protocol ? TCX_NEXT : TCX_PASS;
}

SEC("tcx/egress")
int tcx_out(struct __sk_buff *skb)
{
	return skb->mark == 7 ? TCX_DROP : TCX_NEXT;
}

char LICENSE[] SEC("license") = "GPL";
