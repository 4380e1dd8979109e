/* In the manner of what iproute2 loads: sections with names of one's own choice, an action, a `return -1`. */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_helpers.h>

#ifndef __section
# define __section(NAME) __attribute__((section(NAME), used))
#endif

#ifndef __inline
# define __inline inline __attribute__((always_inline))
#endif

#ifndef lock_xadd
# define lock_xadd(ptr, val) ((void)__sync_fetch_and_add(ptr, val))
#endif

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(__u32));
	__uint(max_entries, 2);
} acc_map __section(".maps");

static __inline int account_data(struct __sk_buff *skb, __u32 dir)
{
	__u32 *bytes;

	bytes = bpf_map_lookup_elem(&acc_map, &dir);
	if (bytes)
		lock_xadd(bytes, skb->len);

	return TC_ACT_OK;
}

__section("ingress")
int tc_ingress(struct __sk_buff *skb)
{
	return account_data(skb, 0);
}

__section("egress")
int tc_egress(struct __sk_buff *skb)
{
	return account_data(skb, 1);
}

__section("action")
int tc_action(struct __sk_buff *skb)
{
	skb->mark = 7;
	account_data(skb, 1);
	return TC_ACT_PIPE;
}

char __license[] __section("license") = "GPL";
