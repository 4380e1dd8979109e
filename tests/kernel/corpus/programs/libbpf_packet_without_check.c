/*
 * stage: verify
 * line: 21
 * says: the packet may end before the bytes that are accessed here.*invalid access to packet, off=12 size=1, R\d\(id=0,off=12,r=0\)
 * hint: compare the end of what is accessed with data_end first: if \(data \+
 * note: r\d was a pointer into the packet of which 0 bytes are known to be there; the code reads 1 byte at offset 12
 * hook: XDP_SKB
 */

#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_helpers.h>
#include <linux/if_ether.h>
#include <bpf/bpf_endian.h>

SEC("xdp")
int drop_arp(struct xdp_md *ctx)
{
	struct ethhdr *ethernet = (void *)(long)ctx->data;

	return ethernet->h_proto == bpf_htons(ETH_P_ARP) ? XDP_DROP : XDP_PASS;
}

char LICENSE[] SEC("license") = "GPL";
