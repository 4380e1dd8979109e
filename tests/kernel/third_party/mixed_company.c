/* One TC program among programs, maps and externs that this kernel, or this libbpf, does not have: none of the others is
 * asked for. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>

#define MAP(NAME, TYPE)                    \
	struct {                           \
		__uint(type, TYPE);        \
		__uint(max_entries, 2);    \
		__type(key, u32);          \
		__type(value, u64);        \
	} NAME SEC(".maps")

MAP(hits, BPF_MAP_TYPE_ARRAY);
MAP(sockets, BPF_MAP_TYPE_SOCKHASH);

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, u64);
} tasks SEC(".maps");

/* a kind of map from the future */
struct {
	__uint(type, 250);
	__uint(max_entries, 100);
} unheard_of SEC(".maps");

extern void no_such_function(struct task_struct *task) __ksym;
extern int CONFIG_NO_SUCH_THING __kconfig;
extern const int no_such_symbol __ksym;

struct no_such_type {
	int member;
} __attribute__((preserve_access_index));

SEC("?tc")
int optional(struct __sk_buff *skb)
{
	u32 key = skb->len & 1;
	u64 *value = bpf_map_lookup_elem(&hits, &key);

	if (value)
		__sync_fetch_and_add(value, 1);
	return -1;
}

SEC("netkit/primary") int on_netkit(struct __sk_buff *skb)
{
	return 0;
}

SEC("netfilter") int on_netfilter(void *ctx)
{
	return 1;
}

SEC("uprobe//bin/sh:main") int on_main(struct pt_regs *regs)
{
	return CONFIG_NO_SUCH_THING;
}

SEC("kprobe.session/tcp_connect") int on_connect(struct pt_regs *regs)
{
	return 0;
}

SEC("lsm/file_open") int on_open(void *ctx)
{
	no_such_function(NULL);
	return 0;
}

SEC("iter/tcp") int each_socket(void *ctx)
{
	return no_such_symbol;
}

SEC("kprobe/tcp_connect") int on_other(struct no_such_type *argument)
{
	return BPF_CORE_READ(argument, member);
}

SEC("sk_skb/stream_verdict") int on_stream(struct __sk_buff *skb)
{
	u32 key = 0;

	return bpf_sk_redirect_hash(skb, &sockets, &key, 0);
}

SEC("fentry/no_such_function_either") int BPF_PROG(on_nothing, int argument)
{
	return 0;
}

SEC("cgroup_skb/egress") int on_cgroup(struct __sk_buff *skb)
{
	return 1;
}

char _license[] SEC("license") = "GPL";
u32 _version SEC("version") = 1;
