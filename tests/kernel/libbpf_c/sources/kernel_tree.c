/* Written to be built in the kernel's tree: the short types, htons and struct vlan_hdr are its own headers'. */
#define KBUILD_MODNAME "protocols"
#include <uapi/linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/if_vlan.h>
#include <linux/ip.h>
#include <net/ip.h>
#include "bpf_helpers.h"

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 256);
	__type(key, u32);
	__type(value, long);
} rxcnt SEC(".maps");

SEC("xdp1")
int xdp_prog1(struct xdp_md *ctx)
{
	void *data_end = (void *)(long)ctx->data_end;
	void *data = (void *)(long)ctx->data;
	u64 offset = sizeof(struct ethhdr);
	struct ethhdr *eth = data;
	u32 protocol = 0;
	long *count;
	u16 type;

	if (unlikely(data + offset > data_end))
		return XDP_PASS;
	type = eth->h_proto;
	if (type == htons(ETH_P_8021Q) || type == htons(ETH_P_8021AD)) {
		struct vlan_hdr *vlan = data + offset;

		offset += sizeof(*vlan);
		if (data + offset > data_end)
			return XDP_PASS;
		type = vlan->h_vlan_encapsulated_proto;
	}
	if (type == htons(ETH_P_IP)) {
		struct iphdr *ip = data + offset;

		if (data + offset + sizeof(*ip) > data_end)
			return XDP_PASS;
		if (ip->frag_off & htons(IP_MF | IP_OFFSET))
			return XDP_PASS;
		protocol = ip->protocol;
	}
	count = bpf_map_lookup_elem(&rxcnt, &protocol);
	if (count)
		*count += 1;
	return XDP_PASS;
}

char _license[] SEC("license") = "GPL";
