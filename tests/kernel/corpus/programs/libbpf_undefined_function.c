/*
 * stage: open
 * says: function 'classify' is declared but not defined
 * hint: define it, include the header that does, or link the objects with: bpftool gen object out
 */

#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_helpers.h>

extern int classify(struct __sk_buff *skb);

SEC("tc")
int count(struct __sk_buff *skb)
{
	return classify(skb);
}

char LICENSE[] SEC("license") = "GPL";
