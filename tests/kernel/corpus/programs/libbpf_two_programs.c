/*
 * stage: open
 * says: it has 2 programs for tc: first \(tc\), second \(tc\)
 * hint: say which one, such as "program": "first"
 */

#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_helpers.h>

SEC("tc")
int first(struct __sk_buff *skb)
{
	return TC_ACT_OK;
}

SEC("tc")
int second(struct __sk_buff *skb)
{
	return TC_ACT_OK;
}

char LICENSE[] SEC("license") = "GPL";
