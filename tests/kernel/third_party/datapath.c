/* A datapath in the manner of those for containers: numbered sections that call one another through a table, maps
 * pinned by name, events through a perf array, settings of the kernel it runs on. */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/pkt_cls.h>
#include <stdbool.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#ifndef __section
# define __section(X)		__attribute__((section(X), used))
#endif
#ifndef __maybe_unused
# define __maybe_unused		__attribute__((__unused__))
#endif
#ifndef __stringify
# define __stringify(X)		#X
#endif
#ifndef __fetch
# define __fetch(X)		(__u32)(__u64)(&(X))
#endif
#define __section_tail(ID, KEY)	__section(__stringify(ID) "/" __stringify(KEY))
#define __section_maps_btf	__section(".maps")
#define __section_license	__section("license")
#define __section_entry		__section("tc")
#define BPF_LICENSE(NAME)	char ____license[] __section_license = NAME

#define CILIUM_LIKE_CALL_IPV4	7
#define CILIUM_LIKE_CALL_IPV6	10

#define METRIC_INGRESS		1
#define METRIC_EGRESS		2

struct metrics_key {
	__u8	reason;		/* 0: forwarded, >0 dropped */
	__u8	dir : 2,	/* 1: ingress 2: egress */
		pad : 6;
	__u16	line;
	__u8	file;
	__u8	reserved[3];
};

struct metrics_value {
	__u64	count;
	__u64	bytes;
};

struct endpoint_key {
	union {
		struct {
			__u32	ip4;
			__u32	pad1;
			__u32	pad2;
			__u32	pad3;
		};
		__u8	ip6[16];
	};
	__u8 family;
	__u8 key;
	__u16 cluster_id;
};

struct endpoint_info {
	__u32	ifindex;
	__u16	lxc_id;
	__u16	flags;
};

struct trace_notify {
	__u8 type, subtype;
	__u16 source;
	__u32 hash, len_orig;
};

extern int LINUX_KERNEL_VERSION __kconfig;
extern __u32 CONFIG_HZ __kconfig __weak;
extern enum libbpf_tristate CONFIG_NOT_THERE_AT_ALL __kconfig __weak;

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__type(key, struct metrics_key);
	__type(value, struct metrics_value);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
	__uint(max_entries, 1024);
	__uint(map_flags, BPF_F_NO_PREALLOC);
} like_metrics __section_maps_btf;

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__type(key, struct endpoint_key);
	__type(value, struct endpoint_info);
	__uint(max_entries, 65535);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} like_lxc __section_maps_btf;

struct {
	__uint(type, BPF_MAP_TYPE_PERF_EVENT_ARRAY);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(__u32));
} like_events __section_maps_btf;

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(key_size, sizeof(__u32));
	__uint(max_entries, 50);
	__array(values, int ());
} like_calls __section_maps_btf;

/* one global of each section */
__u64 pkts = 1000;
__u64 bytes_by_family[2] = { 1, 1 };
__u32 kernel_hz;
bool saw_new_kernel;
const volatile __u16 endpoint_id = 1;

__attribute__((noinline)) __hidden void update_metrics(__u64 bytes, __u8 direction, __u8 reason)
{
	struct metrics_value *entry, new_entry = {};
	struct metrics_key key = {};

	key.reason = reason;
	key.dir = direction;

	entry = bpf_map_lookup_elem(&like_metrics, &key);
	if (entry) {
		entry->count += 1;
		entry->bytes += bytes;
	} else {
		new_entry.count = 1;
		new_entry.bytes = bytes;
		bpf_map_update_elem(&like_metrics, &key, &new_entry, 0);
	}
}

static __always_inline __maybe_unused void ep_tail_call(struct __sk_buff *ctx, const __u32 index)
{
	bpf_tail_call(ctx, &like_calls, index);
}

static __always_inline void send_trace_notify(struct __sk_buff *ctx, __u8 subtype)
{
	struct trace_notify msg = {
		.type = 4,
		.subtype = subtype,
		.source = endpoint_id,
		.hash = bpf_get_hash_recalc(ctx),
		.len_orig = ctx->len,
	};

	bpf_perf_event_output(ctx, &like_events, BPF_F_CURRENT_CPU, &msg, sizeof(msg));
}

__section_tail(2, 7)
int tail_handle_ipv4(struct __sk_buff *ctx)
{
	void *data = (void *)(long)ctx->data, *data_end = (void *)(long)ctx->data_end;
	struct iphdr *ip4 = data + ETH_HLEN;
	struct endpoint_key key = { .family = 1 };

	if ((void *)(ip4 + 1) > data_end) {
		update_metrics(ctx->len, METRIC_INGRESS, 134);
		return TC_ACT_SHOT;
	}
	__sync_fetch_and_add(&bytes_by_family[0], ctx->len);
	key.ip4 = ip4->daddr;
	update_metrics(ctx->len, METRIC_INGRESS, bpf_map_lookup_elem(&like_lxc, &key) ? 0 : 3);
	send_trace_notify(ctx, 1);
	return TC_ACT_OK;
}

__section_tail(2, 10)
int tail_handle_ipv6(struct __sk_buff *ctx)
{
	__sync_fetch_and_add(&bytes_by_family[1], ctx->len);
	update_metrics(ctx->len, METRIC_INGRESS, 0);
	return TC_ACT_OK;
}

__section_entry
int cil_from_netdev(struct __sk_buff *ctx)
{
	__sync_fetch_and_add(&pkts, 1);
	saw_new_kernel = LINUX_KERNEL_VERSION > 0x050a00 && CONFIG_NOT_THERE_AT_ALL == TRI_NO;
	kernel_hz = CONFIG_HZ;
	switch (ctx->protocol) {
	case bpf_htons(ETH_P_IP):
		ep_tail_call(ctx, CILIUM_LIKE_CALL_IPV4);
		break;
	case bpf_htons(ETH_P_IPV6):
		ep_tail_call(ctx, CILIUM_LIKE_CALL_IPV6);
		break;
	}
	/* a missed call, or no IP */
	update_metrics(ctx->len, METRIC_INGRESS, 140);
	return TC_ACT_OK;
}

BPF_LICENSE("Dual BSD/GPL");
