/*
 * stage: compile
 * line: 14
 * says: called object type 'int' is not a function
 * hint: bpf_printk takes a format and at most twelve
 */

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("tc")
int count(struct __sk_buff *skb)
{
	bpf_printk("many: %d", 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14);
	return -1;
}

char LICENSE[] SEC("license") = "GPL";
