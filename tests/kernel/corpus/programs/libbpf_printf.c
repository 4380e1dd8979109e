/*
 * stage: open
 * line: 15
 * says: function 'printf' is declared but not defined
 * hint: say it with pcn_log\(ctx, LOG_INFO, "%d", n\) in the dialect, with
 */

#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_helpers.h>

SEC("tc")
int count(struct __sk_buff *skb)
{
	printf("%d\n", skb->len);
	return TC_ACT_OK;
}

char LICENSE[] SEC("license") = "GPL";
