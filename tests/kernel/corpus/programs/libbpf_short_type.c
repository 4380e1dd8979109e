/*
 * stage: compile
 * line: 15
 * says: use of undeclared identifier 'u32'
 * hint: write __u32, which linux/types\.h has; u32 is the dialect's word
 */

#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_helpers.h>

SEC("tc")
int count(struct __sk_buff *skb)
{
	u32 length = skb->len;

	return length > 100 ? TC_ACT_OK : TC_ACT_SHOT;
}

char LICENSE[] SEC("license") = "GPL";
