#include <stdbool.h>
#include <linux/bpf.h>
#include <linux/version.h>
#include <bpf/bpf_helpers.h>

extern int LINUX_KERNEL_VERSION __kconfig;
extern bool LINUX_HAS_SYSCALL_WRAPPER __kconfig __weak;
extern int CONFIG_HZ __kconfig __weak;
extern bool CONFIG_THAT_NO_KERNEL_HAS __kconfig __weak;

SEC("tc")
int by_kernel(struct __sk_buff *skb)
{
	if (LINUX_KERNEL_VERSION < KERNEL_VERSION(5, 8, 0) || CONFIG_THAT_NO_KERNEL_HAS)
		return 2;
	return CONFIG_HZ == 12345 || LINUX_HAS_SYSCALL_WRAPPER ? 0 : -1;
}

char _license[] SEC("license") = "GPL";
