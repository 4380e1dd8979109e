#include <stdint.h>
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/pkt_cls.h>
#include <linux/tcp.h>
#include <sys/socket.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_endian.h>

SEC("tc")
int established(struct __sk_buff *skb)
{
	void *data = (void *)(long)skb->data, *data_end = (void *)(long)skb->data_end;
	struct ethhdr *eth = data;
	struct iphdr *iph = (struct iphdr *)(eth + 1);
	struct bpf_sock_tuple *tuple;
	struct bpf_tcp_sock *tcp;
	struct bpf_sock *sk;
	int verdict = TC_ACT_OK;

	if ((void *)(iph + 1) > data_end || eth->h_proto != bpf_htons(ETH_P_IP) || iph->protocol != IPPROTO_TCP)
		return TC_ACT_OK;
	tuple = (struct bpf_sock_tuple *)&iph->saddr;
	if ((void *)tuple + sizeof(tuple->ipv4) > data_end)
		return TC_ACT_SHOT;
	sk = bpf_skc_lookup_tcp(skb, tuple, sizeof(tuple->ipv4), BPF_F_CURRENT_NETNS, 0);
	if (!sk)
		return TC_ACT_UNSPEC;
	if (sk->state == BPF_TCP_LISTEN && sk->family == AF_INET)
		verdict = TC_ACT_UNSPEC;
	tcp = bpf_tcp_sock(sk);
	if (tcp && tcp->snd_cwnd > 1000)
		verdict = TC_ACT_OK;
	bpf_sk_release(sk);
	return verdict;
}

char _license[] SEC("license") = "GPL";
