#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>

struct event {
	u32 pid;
	u32 cpus;
	u64 started;
	char comm[TASK_COMM_LEN];
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 128);
	__type(key, u32);
	__type(value, struct event);
} senders SEC(".maps");

/* Another kernel's shape of the structure. */
struct task_struct___renamed {
	u64 start_boottime;
} __attribute__((preserve_access_index));

SEC("tc")
int who_sends(struct __sk_buff *skb)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();
	struct task_struct___renamed *other = (void *)task;
	struct event event = {};

	event.pid = BPF_CORE_READ(task, tgid);
	event.cpus = BPF_CORE_READ(task, real_parent, tgid);
	if (bpf_core_field_exists(other->start_boottime))
		event.started = BPF_CORE_READ(other, start_boottime);
	if (bpf_core_type_exists(struct task_struct) && bpf_core_type_size(struct sk_buff) > 8)
		bpf_core_read_str(event.comm, sizeof(event.comm), &task->comm);
	if (bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_loop))
		event.cpus |= bpf_core_enum_value(enum bpf_func_id, BPF_FUNC_loop) << 16;
	bpf_map_update_elem(&senders, &event.pid, &event, BPF_ANY);
	return -1;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
