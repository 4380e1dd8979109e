/*
 * stage: verify
 * line: 18
 * says: what was taken is not given back on every way out.*Unreleased reference id=2 alloc_insn=12
 * hint: call bpf_ringbuf_submit or bpf_ringbuf_discard \(bpf_sk_release for a
 */

#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_helpers.h>

SEC("tc")
int count(struct __sk_buff *skb)
{
	struct bpf_sock_tuple tuple = {};
	struct bpf_sock *sock = bpf_skc_lookup_tcp(skb, &tuple, sizeof(tuple.ipv4), BPF_F_CURRENT_NETNS, 0);

	return sock ? TC_ACT_OK : TC_ACT_SHOT;
}

char LICENSE[] SEC("license") = "GPL";
