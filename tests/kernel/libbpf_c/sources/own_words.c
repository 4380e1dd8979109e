/* Everything that code of others likes to define, after every header that it likes to include. */
#include <stdint.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <errno.h>
#include <limits.h>
#include <inttypes.h>
#include <sys/types.h>
#include <sys/socket.h>
#include <netinet/in.h>
#include <arpa/inet.h>
#include <linux/bpf.h>
#include <linux/types.h>
#include <linux/stddef.h>
#include <linux/if_ether.h>
#include <linux/if_vlan.h>
#include <linux/if_packet.h>
#include <linux/if_tunnel.h>
#include <linux/if_arp.h>
#include <linux/in.h>
#include <linux/in6.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/icmp.h>
#include <linux/icmpv6.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <linux/mpls.h>
#include <linux/pkt_cls.h>
#include <linux/version.h>
#include <asm/types.h>
#include "bpf/bpf_helpers.h"
#include "bpf/bpf_endian.h"

#undef offsetof
#undef NULL
#define NULL ((void *)0)
#define offsetof(type, member) ((size_t)&((type *)0)->member)
#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)
#define min(a, b) ((a) < (b) ? (a) : (b))
#define max(a, b) ((a) > (b) ? (a) : (b))
#define barrier() __asm__ __volatile__("" : : : "memory")
#define ARRAY_SIZE(a) (sizeof(a) / sizeof(*(a)))
#define READ_ONCE(x) (*(volatile typeof(x) *)&(x))
#define BIT(n) (1u << (n))
#define lock_xadd(p, n) __sync_fetch_and_add(p, n)
#define __packed __attribute__((packed))
#define memcpy(to, from, n) __builtin_memcpy((to), (from), (n))
#undef bpf_printk
#define bpf_printk(fmt, ...) ({ char f[] = fmt; bpf_trace_printk(f, sizeof(f), ##__VA_ARGS__); })

typedef __u8 u8;
typedef __u16 u16;
typedef __u32 u32;
typedef __u64 u64;
typedef __be32 be32;
typedef unsigned char uchar;

struct vlan_hdr {
	__be16 h_vlan_TCI;
	__be16 h_vlan_encapsulated_proto;
};

struct vxlanhdr {
	__be32 vx_flags;
	__be32 vx_vni;
};

struct arp_t {
	struct arphdr head;
	u8 rest[20];
} __packed;

struct pkt_metadata {
	u32 reason;
};

enum { RX_OK, RX_DROP };

static inline u16 swap16(u16 x)
{
	return htons(x);
}

static u64 jhash(u32 a)
{
	return a * 2654435761u;
}

SEC("tc")
int all_words(struct __sk_buff *skb)
{
	struct pkt_metadata md = { .reason = min(skb->len, UINT16_MAX) };
	struct in_addr address = { .s_addr = INADDR_ANY };
	u8 bytes[ETH_ALEN] = {}, same[ETH_ALEN];

	barrier();
	memcpy(same, bytes, sizeof(same));
	if (memcmp(same, bytes, sizeof(same)) || unlikely(jhash(md.reason) == INT_MAX))
		return -EINVAL;
	if (swap16(ETH_P_IP) != bpf_htons(ETH_P_IP) || address.s_addr)
		return RX_DROP;
	bpf_printk("%d bytes\n", skb->len);
	return likely(offsetof(struct vlan_hdr, h_vlan_encapsulated_proto) == 2) ? RX_OK : TC_ACT_SHOT;
}

char _license[] SEC("license") = "GPL";
