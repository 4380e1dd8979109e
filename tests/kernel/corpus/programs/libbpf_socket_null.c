/*
 * stage: verify
 * line: 16
 * says: a pointer may be NULL: it is used without a comparison.*R\d invalid mem access 'sock_common_or_null'
 * hint: compare it with NULL first
 * note: r\d was a pointer \(sock_common_or_null\) not yet compared with NULL; the code reads 4 bytes at offset 4
 */

#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_helpers.h>

SEC("tc")
int count(struct __sk_buff *skb)
{
	return skb->sk->family;
}

char LICENSE[] SEC("license") = "GPL";
