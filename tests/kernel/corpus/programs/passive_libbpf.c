/*
 * stage: check
 * says: the ingress code has programs of its own, whose verdicts nobody can take away; this cube is passive
 * hint: write a handle_rx in the dialect.*or make a cube that is not passive
 * passive: true
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("tc") int looks_only(struct __sk_buff *packet)
{
	return -1;
}
