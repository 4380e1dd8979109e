/*
 * stage: verify
 * line: 17
 * says: what is used as a pointer is a number, or a pointer the kernel does not know.*R\d invalid mem access 'scalar'
 * hint: packets are read through \(void \*\)\(long\)ctx->data, kernel memory
 * note: r\d was a number that can be anything
 */

#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

SEC("tc")
int count(struct __sk_buff *skb)
{
	struct task_struct *task = (void *)bpf_get_current_task();

	return task->pid;
}

char LICENSE[] SEC("license") = "GPL";
