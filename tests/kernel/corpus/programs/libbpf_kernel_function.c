/*
 * stage: verify
 * line: 16
 * says: the kernel function is not there for this type of program.*calling kernel function bpf_sock_destroy is not allowed
 * hint: TC and XDP programs may call only what the kernel registers for them,
 */

#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

extern int bpf_sock_destroy(struct sock_common *sock) __ksym;

SEC("tc")
int count(struct __sk_buff *skb)
{
	return bpf_sock_destroy((void *)skb);
}

char LICENSE[] SEC("license") = "GPL";
