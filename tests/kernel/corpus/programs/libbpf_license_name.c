/*
 * stage: compile
 * says: license changed binding to STB_GLOBAL|symbol 'license' is already defined
 * hint: char LICENSE\[\] SEC\("license"\)
 */

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("tc")
int count(struct __sk_buff *skb)
{
	return -1;
}

char license[] SEC("license") = "GPL";
