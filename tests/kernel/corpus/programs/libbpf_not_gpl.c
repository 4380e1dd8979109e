/*
 * stage: verify
 * line: 15
 * says: a helper is used that only code under the GPL may call.*cannot call GPL-restricted function from non-GPL compatible program
 * hint: say so, if it is: char LICENSE\[\] SEC\("license"\) = "GPL";
 */

#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_helpers.h>

SEC("tc")
int count(struct __sk_buff *skb)
{
	bpf_trace_printk("x", 2);
	return TC_ACT_OK;
}

char LICENSE[] SEC("license") = "Proprietary";
