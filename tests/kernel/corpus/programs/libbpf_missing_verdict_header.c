/*
 * stage: compile
 * line: 14
 * says: use of undeclared identifier 'TC_ACT_OK'
 * hint: names like this come from #include <linux/pkt_cls\.h>
 */

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("tc")
int count(struct __sk_buff *skb)
{
	return TC_ACT_OK;
}

char LICENSE[] SEC("license") = "GPL";
