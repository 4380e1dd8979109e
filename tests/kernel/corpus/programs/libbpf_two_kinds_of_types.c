/*
 * stage: compile
 * line: 9
 * says: typedef redefinition with different types \('struct __kernel_fd_set' vs 'struct __kernel_fd_set'\)
 * hint: vmlinux\.h has this name: leave out the linux/ headers
 */

#include "vmlinux.h"
#include <linux/ip.h>
#include <bpf/bpf_helpers.h>

SEC("tc")
int count(struct __sk_buff *skb)
{
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
