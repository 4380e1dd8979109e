#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct bucket {
	struct bpf_spin_lock lock;
	__u64 tokens;
	__u64 refilled;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct bucket);
} buckets SEC(".maps");

const volatile __u64 rate = 1000, burst = 100;

SEC("tc")
int police(struct __sk_buff *skb)
{
	__u64 now = bpf_ktime_get_ns();
	struct bucket *bucket;
	__u32 key = 0;
	int allowed;

	bucket = bpf_map_lookup_elem(&buckets, &key);
	if (!bucket)
		return -1;
	bpf_spin_lock(&bucket->lock);
	if (now - bucket->refilled > 1000000) {
		bucket->tokens = bucket->tokens + rate > burst ? burst : bucket->tokens + rate;
		bucket->refilled = now;
	}
	allowed = bucket->tokens > 0;
	if (allowed)
		bucket->tokens--;
	bpf_spin_unlock(&bucket->lock);
	return allowed ? -1 : 2;
}

char _license[] SEC("license") = "GPL";
