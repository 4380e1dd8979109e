#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#define min(a, b) ((a) < (b) ? (a) : (b))
#define SAMPLE_SIZE 1024ul

struct {
	__uint(type, BPF_MAP_TYPE_PERF_EVENT_ARRAY);
	__uint(key_size, sizeof(int));
	__uint(value_size, sizeof(__u32));
	__uint(max_entries, 128);
} my_map SEC(".maps");

SEC("xdp_sample")
int xdp_sample_prog(struct xdp_md *ctx)
{
	void *data_end = (void *)(long)ctx->data_end, *data = (void *)(long)ctx->data;
	__u64 flags = BPF_F_CURRENT_CPU;
	struct {
		__u16 cookie;
		__u16 pkt_len;
	} __attribute__((packed)) metadata = { .cookie = 0xdead };
	char format[] = "sample failed: %d\n";
	__u16 size;
	int ret;

	if (data < data_end) {
		metadata.pkt_len = (__u16)(data_end - data);
		size = min(metadata.pkt_len, SAMPLE_SIZE);
		flags |= (__u64)size << 32;
		ret = bpf_perf_event_output(ctx, &my_map, flags, &metadata, sizeof(metadata));
		if (ret)
			bpf_trace_printk(format, sizeof(format), ret);
	}
	return XDP_PASS;
}

char _license[] SEC("license") = "GPL";
