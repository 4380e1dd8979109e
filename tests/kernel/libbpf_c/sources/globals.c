#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <stdbool.h>

struct config {
	__u16 port;
	bool enabled;
	char name[8];
};

const volatile struct config config = { .port = 53, .enabled = true, .name = "dns" };
const volatile int table[4] = { 1, 2, 3, 4 };
static const char text[] = "hello";
__u64 packets, sizes[8];
__u32 threshold = 1500;
static volatile __u64 hidden_count;
__u64 in_a_section SEC(".data.mine") = 5;

SEC("tc")
int globals(struct __sk_buff *skb)
{
	__u32 slot = skb->len >> 8;

	if (!config.enabled)
		return -1;
	packets++;
	hidden_count++;
	in_a_section += table[skb->len & 3];
	if (slot < 8)
		sizes[slot]++;
	if (skb->len > threshold)
		bpf_printk("%s: port %d, %d bytes, mark %d", text, config.port, skb->len, skb->mark);
	return -1;
}

char _license[] SEC("license") = "GPL";
