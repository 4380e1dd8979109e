#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

struct event {
	u32 len;
	u64 at;
	unsigned char start[16];
};

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 256 * 1024);
} events SEC(".maps");

/* So that the type is in the object's BTF. */
struct event *unused __attribute__((unused));

SEC("tc")
int sample(struct __sk_buff *skb)
{
	struct event *event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);

	if (!event)
		return -1;
	event->len = skb->len;
	event->at = bpf_ktime_get_ns();
	if (bpf_skb_load_bytes(skb, 0, event->start, sizeof(event->start)) < 0)
		bpf_ringbuf_discard(event, BPF_RB_NO_WAKEUP);
	else
		bpf_ringbuf_submit(event, 0);
	return -1;
}

char _license[] SEC("license") = "GPL";
