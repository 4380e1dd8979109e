/*
 * stage: open
 * says: it has no program for tc, but: count \(xdp\)
 * hint: make a cube of type XDP_SKB, or say "program-type" if the section is
 */

#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_helpers.h>

SEC("xdp")
int count(struct xdp_md *ctx)
{
	return XDP_PASS;
}

char LICENSE[] SEC("license") = "GPL";
