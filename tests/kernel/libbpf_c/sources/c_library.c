/* Packets in the words of a C library, and a loader's own words for sections. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <arpa/inet.h>
#include <assert.h>
#include <linux/bpf.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/icmp6.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <iproute2/bpf_elf.h>

#ifndef __section
#define __section(NAME) __attribute__((section(NAME), used))
#endif
#define __uint(name, number) int(*name)[number]
#define __type(name, type) typeof(type) *name

static void *(*map_lookup_elem)(void *map, const void *key) = (void *)BPF_FUNC_map_lookup_elem;

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 4);
	__type(key, uint32_t);
	__type(value, uint64_t);
} kinds __section(".maps");

static_assert(sizeof(struct ip) == 20 && sizeof(struct ip6_hdr) == 40, "headers of IP");
_Static_assert(sizeof(struct tcphdr) == 20 && sizeof(struct udphdr) == 8 && sizeof(struct icmp6_hdr) == 8, "over IP");

__section("classifier/ingress")
int kind(struct __sk_buff *skb)
{
	struct ether_header *ether = (void *)(uintptr_t)skb->data;
	struct ip *ip = (void *)(ether + 1);
	struct tcphdr *tcp = (void *)(ip + 1);
	uint32_t slot = 0;
	uint64_t *count;

	if ((void *)(tcp + 1) > (void *)(uintptr_t)skb->data_end)
		return -1;
	if (ntohs(ether->ether_type) == ETHERTYPE_IP && ip->ip_v == 4 && ip->ip_p == IPPROTO_TCP) {
		slot = tcp->th_dport == htons(80) ? 1 : 2;
		if (tcp->syn && (tcp->th_flags & TH_SYN))
			slot = 3;
	}
	count = map_lookup_elem(&kinds, &slot);
	if (count)
		__sync_fetch_and_add(count, 1);
	return -1;
}

char _license[] __section("license") = "GPL";
