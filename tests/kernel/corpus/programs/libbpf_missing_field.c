/*
 * stage: verify
 * line: 17
 * says: this kernel has no struct sk_buff___other\.no_such_field, which the code reads.*failed to resolve CO-RE relocation <byte_off> \[19\] struct sk_buff___other\.no_such_field \(0:0 @ offset 0\)
 * hint: ask first with if \(bpf_core_field_exists\(p->field\)\), or compile
 */

#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>

struct sk_buff___other {
	int no_such_field;
} __attribute__((preserve_access_index));

SEC("tc")
int count(struct __sk_buff *skb)
{
	struct sk_buff___other *other = (void *)skb;

	return BPF_CORE_READ(other, no_such_field);
}

char LICENSE[] SEC("license") = "GPL";
