/* Maps and globals in the spellings that there are: arrays of pointers, typedefs, named inner maps, sections of one's
 * own choice. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

enum { CELLS = 64 };

typedef struct {
	__u64 count;
} __attribute__((aligned(64))) cell;

struct {
	int (*type)[BPF_MAP_TYPE_HASH];
	int (*max_entries)[CELLS];
	__u32 *key;
	cell *value;
} cells SEC(".maps");

struct inner {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, __u64);
} even SEC(".maps"), odd SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 2);
	__uint(key_size, 4);
	__uint(value_size, 4);
	__array(values, struct inner);
} by_parity SEC(".maps") = {
	.values = { &even, [1] = &odd },
};

struct {
	__uint(type, BPF_MAP_TYPE_STACK);
	__uint(max_entries, 3);
	__uint(key_size, 0);
	__uint(value_size, 8);
} lengths SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, int);
	__type(value, __u64);
} mapped SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, int);
	__type(value, char[3000]);
} scratch SEC(".maps");

const volatile int step = 1;
int numbers[3] = { 1, 2, 3 };
char text[4] = "abc";
static long hidden;
__u64 other SEC(".bss.other");

SEC("classifier")
int count(struct __sk_buff *skb)
{
	__u32 parity = skb->len & 1, zero = 0;
	cell one = { 1 }, *known;
	__u64 length = skb->len, *value;
	char *buffer;
	void *inner;

	inner = bpf_map_lookup_elem(&by_parity, &parity);
	value = inner ? bpf_map_lookup_elem(inner, &zero) : NULL;
	if (value)
		__sync_fetch_and_add(value, 1);
	known = bpf_map_lookup_elem(&cells, &parity);
	if (known)
		__sync_fetch_and_add(&known->count, 1);
	else
		bpf_map_update_elem(&cells, &parity, &one, BPF_NOEXIST);
	bpf_map_push_elem(&lengths, &length, BPF_EXIST);
	value = bpf_map_lookup_elem(&mapped, &zero);
	if (value)
		__sync_fetch_and_add(value, step);
	buffer = bpf_map_lookup_elem(&scratch, &zero);
	if (buffer)
		buffer[2999]++;
	numbers[1]++;
	hidden++;
	other += 2;
	return 0;
}

char _license[] SEC("license") = "GPL";
