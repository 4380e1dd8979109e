/*
 * stage: open
 * says: program 'trace' \(section 'kprobe/tcp_connect'\) does not run on packets of an interface
 * hint: name a program of a section such as "tc" or "xdp"
 * path: {"program": "trace"}
 */

#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_helpers.h>

SEC("kprobe/tcp_connect")
int trace(void *ctx)
{
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
