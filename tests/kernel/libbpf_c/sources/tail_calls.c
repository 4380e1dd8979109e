#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_helpers.h>

int handle_ipv4(struct __sk_buff *skb);
int handle_ipv6(struct __sk_buff *skb);

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 2);
	__uint(key_size, sizeof(__u32));
	__array(values, int(struct __sk_buff *));
} handlers SEC(".maps") = {
	.values = {
		[0] = (void *)&handle_ipv4,
		[1] = (void *)&handle_ipv6,
	},
};

__u64 counts[3];

SEC("tc")
int handle_ipv4(struct __sk_buff *skb)
{
	__sync_fetch_and_add(&counts[1], 1);
	return TC_ACT_OK;
}

SEC("tc")
int handle_ipv6(struct __sk_buff *skb)
{
	__sync_fetch_and_add(&counts[2], 1);
	return TC_ACT_OK;
}

SEC("tc")
int dispatch(struct __sk_buff *skb)
{
	__sync_fetch_and_add(&counts[0], 1);
	bpf_tail_call(skb, &handlers, skb->len > 100);
	return TC_ACT_UNSPEC;
}

char _license[] SEC("license") = "GPL";
