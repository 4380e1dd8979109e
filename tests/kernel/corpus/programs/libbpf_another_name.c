/*
 * stage: open
 * says: it has no program called 'counter'; it has: count \(tc\)
 * hint: did you mean 'count'\?
 * path: {"program": "counter"}
 */

#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_helpers.h>

SEC("tc")
int count(struct __sk_buff *skb)
{
	return TC_ACT_OK;
}

char LICENSE[] SEC("license") = "GPL";
