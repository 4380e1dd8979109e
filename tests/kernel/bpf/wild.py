"""C as objects found in the wild have it: programs of many kinds side by side, prog arrays, maps in maps."""

# Each other program is one that this kernel would refuse, or could not even be asked about.
ZOO = """
struct { __uint(type, BPF_MAP_TYPE_HASH); __uint(max_entries, 8); __type(key, __u32); __type(value, __u64); }
mine SEC(".maps"), others SEC(".maps"), nobodys SEC(".maps");

extern const void no_such_symbol __ksym;
extern int no_such_function(int) __ksym;
extern int CONFIG_NO_SUCH_OPTION __kconfig;

static __attribute__((noinline, unused)) int touch(void *map, __u32 key)
{
	return bpf_map_lookup_elem(map, &key) ? 1 : 2;
}

%s
SEC("kprobe/no_such_function") int on_kprobe(void *ctx)
{
	__u32 key = CONFIG_NO_SUCH_OPTION;

	return bpf_map_lookup_elem(&others, &key) && (long)&no_such_symbol > 1 && no_such_function(1);
}

SEC("fentry/no_such_function") int on_fentry(void *ctx) { return 0; }
SEC("lsm/no_such_hook") int on_lsm(void *ctx) { return 0; }
SEC("freplace/no_such_program") int replacement(void *ctx) { return 0; }
SEC("tracepoint/no/such") int on_tracepoint(void *ctx) { return *(int *)1; }
SEC("cgroup_skb/egress") int on_cgroup(struct __sk_buff *ctx) { return *(int *)2; }
SEC("sockops") int on_socket(void *ctx) { return *(int *)3; }
SEC("iter/no_such") int on_iter(void *ctx) { return 0; }
SEC("struct_ops/run") int BPF_ops_run(void *ctx) { return 0; }

struct no_such_ops { int (*run)(void *ctx); };
SEC(".struct_ops") struct no_such_ops ops = { .run = (void *)BPF_ops_run };
"""

CHOSEN = """
SEC("%s") int chosen(struct __sk_buff *ctx) { return touch(&mine, ctx->len); }
"""

TAIL_CALLS = """
struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 4);
	__uint(key_size, 4);
	__uint(value_size, 4);
} jumps SEC(".maps");

SEC("tc/entry") int entry(struct __sk_buff *ctx)
{
	bpf_tail_call(ctx, &jumps, ctx->len - 60);
	return 100;
}

SEC("tc/one") int one(struct __sk_buff *ctx) { return 1; }
SEC("classifier/two") int two(struct __sk_buff *ctx) { return 2; }
SEC("xdp") int three(struct __sk_buff *ctx) { bpf_tail_call(ctx, &jumps, 0); return 3; }
SEC("tc/broken") int broken(struct __sk_buff *ctx) { return *(int *)4; }
"""

STATIC_TAIL_CALLS = """
int one(struct __sk_buff *), two(struct __sk_buff *), other(void *);

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 4);
	__uint(key_size, 4);
	__array(values, int(void *));
} jumps SEC(".maps") = { .values = { [1] = (void *)&one, [3] = (void *)&two } };

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
	__uint(key_size, 4);
	__array(values, int(void *));
} others SEC(".maps") = { .values = { (void *)&other } };

struct { __uint(type, BPF_MAP_TYPE_ARRAY); __uint(max_entries, 1); __type(key, __u32); __type(value, __u64); }
seen_by_two SEC(".maps");

SEC("tc/entry") int entry(struct __sk_buff *ctx)
{
	bpf_tail_call(ctx, &jumps, ctx->len - 60);
	return 100;
}

SEC("tc/one") int one(struct __sk_buff *ctx) { return 1; }

SEC("xdp") int two(struct __sk_buff *ctx)
{
	__u32 key = 0;
	__u64 *seen = bpf_map_lookup_elem(&seen_by_two, &key);

	if (seen)
		*seen += 1;
	return 2;
}

SEC("kprobe/other") int other(void *ctx)
{
	bpf_tail_call(ctx, &others, 0);
	return *(int *)5;
}
"""

MAPS_IN_MAPS = """
struct inner {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, __u64);
} first SEC(".maps"), second SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 3);
	__type(key, __u32);
	__array(values, struct inner);
} outer SEC(".maps") = { .values = { [0] = &first, [2] = &second } };

SEC("tc") int dynmon_ingress(struct __sk_buff *ctx)
{
	__u32 index = ctx->len - 60, zero = 0;
	void *inner = bpf_map_lookup_elem(&outer, &index);
	__u64 *count;

	if (!inner)
		return 1;
	count = bpf_map_lookup_elem(inner, &zero);
	if (count)
		*count += 1;
	return 2;
}
"""

# The constant is in a section of its own, whatever the types say.
MERGED = """
static const __u16 merged[] = { 1, 2, 3, 4, 5, 6, 7, 8 };
%s
struct guarded { struct bpf_spin_lock lock; __u64 packets; };
struct { __uint(type, BPF_MAP_TYPE_ARRAY); __uint(max_entries, 1); __type(key, __u32); __type(value, struct guarded); }
counts SEC(".maps");
static int each(__u32 index, void *context) { return 0; }
SEC("tc") int dynmon_ingress(struct __sk_buff *ctx)
{
	__u32 key = 0;
	struct guarded *value = bpf_map_lookup_elem(&counts, &key);

	bpf_loop(2, each, 0, 0);
	if (value) {
		bpf_spin_lock(&value->lock);
		value->packets++;
		bpf_spin_unlock(&value->lock);
	}
	return merged[ctx->len & 7];
}
"""

# clang makes two numbers of the struct, and a byte of what is zero or seven.
APART = """
static struct { __u64 packets, bytes; } stats;
static __u32 ready;
static __u64 sizes[4];
struct guarded { struct bpf_spin_lock lock; __u64 packets; };
struct { __uint(type, BPF_MAP_TYPE_ARRAY); __uint(max_entries, 1); __type(key, __u32); __type(value, struct guarded); }
counts SEC(".maps");
SEC("tc") int dynmon_ingress(struct __sk_buff *ctx)
{
	__u32 key = 0;
	struct guarded *value = bpf_map_lookup_elem(&counts, &key);

	stats.packets++;
	stats.bytes += ctx->len;
	sizes[ctx->len & 3]++;
	if (value && !ready) {
		bpf_spin_lock(&value->lock);
		value->packets++;
		bpf_spin_unlock(&value->lock);
		ready = 7;
	}
	return 7;
}
"""
