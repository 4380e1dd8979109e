#include <linux/bpf.h>
#include <errno.h>
#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} ring SEC(".maps");

SEC("tc")
int by_dynptr(struct __sk_buff *skb)
{
	struct bpf_dynptr room;
	__u64 length = skb->len;

	if (bpf_ringbuf_reserve_dynptr(&ring, 64, 0, &room) == 0)
		bpf_dynptr_write(&room, 0, &length, sizeof(length), 0);
	bpf_ringbuf_submit_dynptr(&room, 0);
	return -1;
}

char _license[] SEC("license") = "GPL";
