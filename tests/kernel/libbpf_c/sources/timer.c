#include <linux/bpf.h>
#include <time.h>
#include <bpf/bpf_helpers.h>

#define CLOCK_MONOTONIC 1

struct entry {
	struct bpf_timer timer;
	__u64 packets;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 64);
	__type(key, int);
	__type(value, struct entry);
} entries SEC(".maps");

static int expire(void *map, int *key, struct entry *entry)
{
	bpf_map_delete_elem(map, key);
	return 0;
}

SEC("tc")
int with_timer(struct __sk_buff *skb)
{
	struct entry fresh = {}, *entry;
	int key = skb->ifindex;

	bpf_map_update_elem(&entries, &key, &fresh, BPF_NOEXIST);
	entry = bpf_map_lookup_elem(&entries, &key);
	if (!entry)
		return -1;
	entry->packets++;
	bpf_timer_init(&entry->timer, &entries, CLOCK_MONOTONIC);
	bpf_timer_set_callback(&entry->timer, expire);
	bpf_timer_start(&entry->timer, 1000000000, 0);
	return -1;
}

char _license[] SEC("license") = "GPL";
