/*
 * stage: verify
 * line: 16
 * says: the kernel function is not there for this type of program.*calling kernel function tcp_slow_start is not allowed
 * hint: TC and XDP programs may call only what the kernel registers for them,
 */

#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

extern __u32 tcp_slow_start(struct tcp_sock *sock, __u32 acked) __ksym;

SEC("tc")
int count(struct __sk_buff *skb)
{
	return tcp_slow_start((void *)skb, 1);
}

char LICENSE[] SEC("license") = "GPL";
