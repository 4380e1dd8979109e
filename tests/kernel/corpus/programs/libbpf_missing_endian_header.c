/*
 * stage: open
 * line: 15
 * says: function 'bpf_htons' is declared but not defined
 * hint: names like this come from #include <bpf/bpf_endian\.h>
 */

#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_helpers.h>

SEC("tc")
int count(struct __sk_buff *skb)
{
	return skb->protocol == bpf_htons(0x0800) ? TC_ACT_OK : TC_ACT_SHOT;
}

char LICENSE[] SEC("license") = "GPL";
