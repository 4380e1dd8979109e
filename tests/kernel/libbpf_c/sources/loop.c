#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <bpf/bpf_helpers.h>

struct context {
	struct __sk_buff *skb;
	__u32 offset;
	__u32 options;
};

static int next_option(__u32 index, struct context *context)
{
	__u8 option[2];

	if (bpf_skb_load_bytes(context->skb, context->offset, option, sizeof(option)) || !option[0])
		return 1;
	context->options++;
	context->offset += option[0] == 1 ? 1 : option[1];
	return 0;
}

SEC("tc")
int ip_options(struct __sk_buff *skb)
{
	struct context context = { skb, ETH_HLEN + sizeof(struct iphdr), 0 };

	bpf_loop(40, next_option, &context, 0);
	return context.options > 3 ? 2 : -1;
}

char _license[] SEC("license") = "GPL";
