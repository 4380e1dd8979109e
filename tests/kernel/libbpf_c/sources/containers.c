/* Maps without keys, and storage that belongs to sockets. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_QUEUE);
	__uint(max_entries, 32);
	__type(value, __u32);
} queue SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_STACK);
	__uint(max_entries, 32);
	__uint(value_size, sizeof(__u32));
} stack SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_BLOOM_FILTER);
	__uint(max_entries, 1000);
	__uint(map_extra, 3);
	__type(value, __u32);
} seen SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, __u64);
} of_socket SEC(".maps");

SEC("tc")
int remember(struct __sk_buff *skb)
{
	struct bpf_sock *sk = skb->sk;
	__u32 hash = bpf_get_hash_recalc(skb), oldest;
	__u64 *packets;

	if (!bpf_map_peek_elem(&seen, &hash))
		return -1;
	bpf_map_push_elem(&seen, &hash, BPF_ANY);
	bpf_map_push_elem(&stack, &hash, BPF_EXIST);
	if (bpf_map_push_elem(&queue, &hash, 0))
		bpf_map_pop_elem(&queue, &oldest);
	if (!sk || !(sk = bpf_sk_fullsock(sk)))
		return -1;
	packets = bpf_sk_storage_get(&of_socket, sk, NULL, BPF_SK_STORAGE_GET_F_CREATE);
	if (packets)
		*packets += 1;
	return -1;
}

char _license[] SEC("license") = "GPL";
