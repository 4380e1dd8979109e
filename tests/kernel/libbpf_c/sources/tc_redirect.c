#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <linux/if_ether.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_endian.h>

const volatile __u32 target_ifindex = 1;

SEC("tc")
int mirror(struct __sk_buff *skb)
{
	if (skb->protocol != bpf_htons(ETH_P_IP))
		return TC_ACT_UNSPEC;
	if (skb->vlan_present && bpf_skb_vlan_pop(skb))
		return TC_ACT_SHOT;
	bpf_clone_redirect(skb, target_ifindex, 0);
	if (skb->mark == 1)
		return bpf_redirect_peer(target_ifindex, 0);
	if (skb->mark == 2)
		return bpf_redirect_neigh(target_ifindex, NULL, 0, 0);
	return bpf_redirect(target_ifindex, BPF_F_INGRESS);
}

char _license[] SEC("license") = "GPL";
