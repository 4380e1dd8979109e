/*
 * stage: open
 * says: program 'count' is static
 * hint: a program with a SEC\(\) of its own must not be static
 */

#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_helpers.h>

SEC("tc")
static int count(struct __sk_buff *skb)
{
	return TC_ACT_OK;
}

SEC("tc")
int other(struct __sk_buff *skb)
{
	return count(skb);
}

char LICENSE[] SEC("license") = "GPL";
