#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

extern const void __per_cpu_start __ksym __weak;
extern void *bpf_cast_to_kern_ctx(void *ctx) __ksym;
extern void bpf_no_kernel_has_this(void) __ksym __weak;

SEC("tc")
int of_the_kernel(struct __sk_buff *skb)
{
	struct sk_buff *kernels = bpf_cast_to_kern_ctx(skb);

	if (bpf_no_kernel_has_this || &__per_cpu_start == (void *)1)
		return 2;
	return kernels->data_len ? 0 : -1;
}

char _license[] SEC("license") = "GPL";
