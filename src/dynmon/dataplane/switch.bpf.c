/*
 * A learning switch. One copy of this program runs where the peer of each port receives, all of them on the same maps.
 *
 * What it takes does not go up the host's stack: the interface is a port of the switch and nothing else. It learns
 * addresses alone: a station is at one port, whatever VLAN it speaks in. Tags stay with the packet on its way.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_helpers.h>

#define MAX_PORTS 128
#define MAX_STATIONS 4096

struct address {
	__u8 bytes[ETH_ALEN];
	__u8 unused[2];
};

struct station {
	__u64 seen_ns;
	__u32 port;
	__u32 unused;
};

struct settings {
	__u64 aging_ns;
	__u32 ports;	/* one more than the highest number in use */
	__u32 unused;
};

/* The least recently seen goes when it is full. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, MAX_STATIONS);
	__type(key, struct address);
	__type(value, struct station);
} stations SEC(".maps");

/* The interface behind each port, 0 where there is none. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, MAX_PORTS);
	__type(key, __u32);
	__type(value, __u32);
} interfaces SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct settings);
} settings SEC(".maps");

const volatile __u32 this_port = 0;

static __always_inline void learn(const struct address *source, __u64 now)
{
	struct station *known = bpf_map_lookup_elem(&stations, source);
	struct station fresh = { .seen_ns = now, .port = this_port };

	if (source->bytes[0] & 1)	/* a group is nowhere */
		return;
	if (!known) {
		bpf_map_update_elem(&stations, source, &fresh, BPF_ANY);
		return;
	}
	/* Only what changes is written: other CPUs read the same line for every packet. */
	if (known->port != this_port)
		known->port = this_port;
	if (known->seen_ns != now)
		known->seen_ns = now;
}

static __always_inline __u32 interface_of(__u32 port)
{
	__u32 *interface = bpf_map_lookup_elem(&interfaces, &port);

	return interface ? *interface : 0;
}

/* Few branches, for the verifier walks them for each port: the kernel refuses to send to interface 0. */
static __always_inline int flood(struct __sk_buff *skb, __u32 ports)
{
	for (__u32 port = 0; port < MAX_PORTS; port++) {
		if (port >= ports)
			break;
		if (port != this_port)
			bpf_clone_redirect(skb, interface_of(port), 0);
	}
	return TC_ACT_SHOT;
}

SEC("tc")
int switch_port(struct __sk_buff *skb)
{
	void *start = (void *)(long)skb->data, *end = (void *)(long)skb->data_end;
	struct address source = {}, destination = {};
	struct ethhdr *header = start;
	struct settings *wanted;
	struct station *station;
	__u32 key = 0, interface;
	__u64 now;

	wanted = bpf_map_lookup_elem(&settings, &key);
	if (!wanted || start + sizeof(*header) > end)
		return TC_ACT_SHOT;
	__builtin_memcpy(source.bytes, header->h_source, ETH_ALEN);
	__builtin_memcpy(destination.bytes, header->h_dest, ETH_ALEN);
	now = bpf_ktime_get_coarse_ns();
	learn(&source, now);
	station = bpf_map_lookup_elem(&stations, &destination);
	/* Another CPU may have seen it later than our now. */
	if (station && (__s64)(now - station->seen_ns) < (__s64)wanted->aging_ns) {
		if (station->port == this_port)
			return TC_ACT_SHOT;
		interface = interface_of(station->port);
		if (interface)
			return bpf_redirect(interface, 0);
	}
	return flood(skb, wanted->ports);
}

char _license[] SEC("license") = "GPL";
