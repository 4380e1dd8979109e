/* As it was written for iproute2's loader: all the usual words are defined here. */
#include <stdint.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/pkt_cls.h>

#ifndef __section
# define __section(NAME) __attribute__((section(NAME), used))
#endif
#ifndef __inline
# define __inline inline __attribute__((always_inline))
#endif
#ifndef lock_xadd
# define lock_xadd(ptr, val) ((void)__sync_fetch_and_add(ptr, val))
#endif
#ifndef BPF_FUNC
# define BPF_FUNC(NAME, ...) (*NAME)(__VA_ARGS__) = (void *)BPF_FUNC_##NAME
#endif
#define likely(X) __builtin_expect(!!(X), 1)
#define unlikely(X) __builtin_expect(!!(X), 0)
#define barrier() asm volatile("" ::: "memory")
#define ARRAY_SIZE(A) (sizeof(A) / sizeof((A)[0]))
#define min(x, y) ((x) < (y) ? (x) : (y))
#define max(x, y) ((x) < (y) ? (y) : (x))
#define htons(x) __builtin_bswap16(x)
#define offsetof(T, M) __builtin_offsetof(T, M)

typedef uint32_t u32;
typedef __u64 u64;

static void *BPF_FUNC(map_lookup_elem, void *map, const void *key);

struct {
	int (*type)[BPF_MAP_TYPE_ARRAY];
	u32 *key;
	u64 *value;
	int (*max_entries)[2];
} acc_map __section(".maps");

static __inline int account_data(struct __sk_buff *skb, uint32_t dir)
{
	u64 *bytes = map_lookup_elem(&acc_map, &dir);

	if (likely(bytes))
		lock_xadd(bytes, skb->len);
	return TC_ACT_OK;
}

__section("ingress")
int tc_ingress(struct __sk_buff *skb)
{
	void *data = (void *)(long)skb->data, *data_end = (void *)(long)skb->data_end;
	struct ethhdr *eth = data;

	barrier();
	if (unlikely(data + offsetof(struct ethhdr, h_proto) + sizeof(eth->h_proto) > data_end))
		return TC_ACT_OK;
	return eth->h_proto == htons(ETH_P_ARP) ? TC_ACT_OK : account_data(skb, min(0, 1));
}

__section("classifier/egress")
int tc_egress(struct __sk_buff *skb)
{
	return account_data(skb, max(0, 1));
}

char __license[] __section("license") = "GPL";
