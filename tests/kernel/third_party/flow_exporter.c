//go:build ignore
/*
    A flow exporter's agent, in the manner of the well-known ones: all its headers in one file, flows in a hash that
    user space drains, what did not fit there through a ring buffer, TC programs for packets and tracing programs for
    drops, round-trip times and translations beside them.
*/
#include <vmlinux.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>

/* ---- configs.h: set by the agent before loading ---- */
volatile const u32 sampling = 0;
volatile const u8 trace_messages = 0;
volatile const u8 enable_rtt = 0;
volatile const u8 enable_dns_tracking = 0;
volatile const u16 dns_port = 0;

/* ---- types.h ---- */
#define ETH_ALEN 6
#define ETH_P_IP 0x0800
#define ETH_P_IPV6 0x86DD
#define ETH_P_ARP 0x0806
#define TC_ACT_OK 0
#define TC_ACT_UNSPEC (-1)
#define IP_MAX_LEN 16
#define AF_INET 2
#define AF_INET6 10
#define DISCARD 1
#define SUBMIT 0
#define INGRESS 0
#define EGRESS 1
#define MAX_OBSERVED_INTERFACES 6
#define EEXIST 17
#define E2BIG 7
#define IPPROTO_ICMPV6 58

#define FIN_FLAG 0x01
#define SYN_FLAG 0x02
#define RST_FLAG 0x04
#define PSH_FLAG 0x08
#define ACK_FLAG 0x10
#define SYN_ACK_FLAG 0x100

#define DNS_QR_FLAG 0x8000

#define BPF_PRINTK(fmt, args...) \
    if (trace_messages)          \
    bpf_printk(fmt, ##args)

#define INLINE __attribute__((always_inline)) inline

typedef __u8 u8;
typedef __u16 u16;
typedef __u32 u32;
typedef __u64 u64;

// according to field 61 in https://www.iana.org/assignments/ipfix/ipfix.xhtml
typedef enum direction_t {
    FLOW_INGRESS = 0,
    FLOW_EGRESS = 1,
} direction;

typedef enum global_counters_key_t {
    HASHMAP_FLOWS_DROPPED,
    HASHMAP_FAIL_UPDATE_DNS,
    FILTER_REJECT,
    FILTER_ACCEPT,
    FILTER_NOMATCH,
    FLOWS_SEEN,
    MAX_COUNTERS,
} global_counters_key;

struct dns_record_t {
    u16 id;
    u16 flags;
    u64 latency;
    u8 errno;
} __attribute__((packed));

struct pkt_drops_t {
    u64 bytes;
    u32 packets;
    u16 latest_flags;
    u8 latest_state;
    u32 latest_drop_cause;
};

typedef struct flow_metrics_t {
    u64 start_mono_time_ts;
    u64 end_mono_time_ts;
    u64 bytes;
    u32 packets;
    u16 eth_protocol;
    u16 flags;
    u8 src_mac[ETH_ALEN];
    u8 dst_mac[ETH_ALEN];
    u32 if_index_first_seen;
    u32 sampling;
    u8 direction_first_seen;
    u8 errno;
    u8 dscp;
    u8 nb_observed_intf;
    u8 observed_direction[MAX_OBSERVED_INTERFACES];
    u32 observed_intf[MAX_OBSERVED_INTERFACES];
} __attribute__((packed)) flow_metrics;

// Force emitting the types into the object
const flow_metrics *unused2 __attribute__((unused));

// Attributes that uniquely identify a flow
typedef struct flow_id_t {
    // IPv4 addresses are encoded as IPv6 addresses with prefix ::ffff/96
    u8 src_ip[IP_MAX_LEN];
    u8 dst_ip[IP_MAX_LEN];
    u16 src_port;
    u16 dst_port;
    u8 transport_protocol;
    u8 icmp_type;
    u8 icmp_code;
} __attribute__((packed)) flow_id;

typedef struct flow_record_t {
    flow_id id;
    flow_metrics metrics;
} __attribute__((packed)) flow_record;

typedef struct dns_flow_id_t {
    u16 src_port;
    u16 dst_port;
    u8 src_ip[IP_MAX_LEN];
    u8 dst_ip[IP_MAX_LEN];
    u16 id;
    u8 protocol;
} __attribute__((packed)) dns_flow_id;

// Internal structure: parsed packet
typedef struct pkt_info_t {
    flow_id *id;
    u64 current_ts;
    u16 eth_protocol;
    u16 flags;
    void *l4_hdr;
    u8 dscp;
    u16 dns_id;
    u16 dns_flags;
    u64 dns_latency;
} pkt_info;

struct dns_header {
    u16 id;
    u16 flags;
    u16 qdcount;
    u16 ancount;
    u16 nscount;
    u16 arcount;
};

const u8 ip4in6[] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

/* ---- maps_definition.h ---- */
// Common Ringbuffer as a conduit for ingress/egress flows to userspace
struct {
    __uint(type, BPF_MAP_TYPE_RINGBUF);
    __uint(max_entries, 1 << 24);
} direct_flows SEC(".maps");

// Key: the flow identifier. Value: the flow metrics for that identifier.
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __type(key, flow_id);
    __type(value, flow_metrics);
    __uint(max_entries, 1 << 24);
    __uint(map_flags, BPF_F_NO_PREALLOC);
} aggregated_flows SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_HASH);
    __type(key, flow_id);
    __type(value, struct pkt_drops_t);
    __uint(max_entries, 1 << 24);
    __uint(map_flags, BPF_F_NO_PREALLOC);
} packet_drops SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 1 << 20);
    __type(key, dns_flow_id);
    __type(value, u64);
    __uint(map_flags, BPF_F_NO_PREALLOC);
} dns_flows SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __type(key, u32);
    __type(value, u32);
    __uint(max_entries, MAX_COUNTERS);
} global_counters SEC(".maps");

/* ---- utils.h ---- */
static INLINE void increase_counter(u32 key) {
    u32 *counter = bpf_map_lookup_elem(&global_counters, &key);
    if (counter) {
        __sync_fetch_and_add(counter, 1);
    }
}

// sets the TCP header flags for connection information
static INLINE void set_flags(struct tcphdr *th, u16 *flags) {
    //If both ACK and SYN are set, then it is server -> client communication during 3-way handshake.
    if (th->ack && th->syn) {
        *flags |= SYN_ACK_FLAG;
    } else if (th->fin) {
        *flags |= FIN_FLAG;
    } else if (th->rst) {
        *flags |= RST_FLAG;
    } else if (th->syn) {
        *flags |= SYN_FLAG;
    } else if (th->ack) {
        *flags |= ACK_FLAG;
    }
}

static INLINE void fill_l4info(void *l4_hdr_start, void *data_end, u8 protocol, pkt_info *pkt) {
    flow_id *id = pkt->id;
    id->transport_protocol = protocol;
    switch (protocol) {
    case IPPROTO_TCP: {
        struct tcphdr *tcp = l4_hdr_start;
        if ((void *)tcp + sizeof(*tcp) <= data_end) {
            id->src_port = bpf_ntohs(tcp->source);
            id->dst_port = bpf_ntohs(tcp->dest);
            set_flags(tcp, &pkt->flags);
            pkt->l4_hdr = (void *)tcp;
        }
    } break;
    case IPPROTO_UDP: {
        struct udphdr *udp = l4_hdr_start;
        if ((void *)udp + sizeof(*udp) <= data_end) {
            id->src_port = bpf_ntohs(udp->source);
            id->dst_port = bpf_ntohs(udp->dest);
            pkt->l4_hdr = (void *)udp;
        }
    } break;
    case IPPROTO_ICMP: {
        struct icmphdr *icmph = l4_hdr_start;
        if ((void *)icmph + sizeof(*icmph) <= data_end) {
            id->icmp_type = icmph->type;
            id->icmp_code = icmph->code;
        }
    } break;
    case IPPROTO_ICMPV6: {
        struct icmp6hdr *icmp6h = l4_hdr_start;
        if ((void *)icmp6h + sizeof(*icmp6h) <= data_end) {
            id->icmp_type = icmp6h->icmp6_type;
            id->icmp_code = icmp6h->icmp6_code;
        }
    } break;
    default:
        break;
    }
}

static INLINE int fill_iphdr(struct iphdr *ip, void *data_end, pkt_info *pkt) {
    if ((void *)ip + sizeof(*ip) > data_end) {
        return DISCARD;
    }
    __builtin_memcpy(pkt->id->src_ip, ip4in6, sizeof(ip4in6));
    __builtin_memcpy(pkt->id->dst_ip, ip4in6, sizeof(ip4in6));
    __builtin_memcpy(pkt->id->src_ip + sizeof(ip4in6), &ip->saddr, sizeof(ip->saddr));
    __builtin_memcpy(pkt->id->dst_ip + sizeof(ip4in6), &ip->daddr, sizeof(ip->daddr));
    pkt->dscp = ip->tos >> 2;
    /* fill l4 header which will be added to id in flow_monitor function.*/
    fill_l4info((void *)ip + (ip->ihl << 2), data_end, ip->protocol, pkt);
    return SUBMIT;
}

static INLINE int fill_ip6hdr(struct ipv6hdr *ip, void *data_end, pkt_info *pkt) {
    if ((void *)ip + sizeof(*ip) > data_end) {
        return DISCARD;
    }
    __builtin_memcpy(pkt->id->src_ip, ip->saddr.in6_u.u6_addr8, IP_MAX_LEN);
    __builtin_memcpy(pkt->id->dst_ip, ip->daddr.in6_u.u6_addr8, IP_MAX_LEN);
    fill_l4info((void *)ip + sizeof(*ip), data_end, ip->nexthdr, pkt);
    return SUBMIT;
}

static INLINE int fill_ethhdr(struct ethhdr *eth, void *data_end, pkt_info *pkt) {
    if ((void *)eth + sizeof(*eth) > data_end) {
        return DISCARD;
    }
    pkt->eth_protocol = bpf_ntohs(eth->h_proto);
    if (pkt->eth_protocol == ETH_P_IP) {
        struct iphdr *ip = (void *)eth + sizeof(*eth);
        return fill_iphdr(ip, data_end, pkt);
    } else if (pkt->eth_protocol == ETH_P_IPV6) {
        struct ipv6hdr *ip6 = (void *)eth + sizeof(*eth);
        return fill_ip6hdr(ip6, data_end, pkt);
    }
    // Only IP-based flows are managed
    return DISCARD;
}

/* ---- dns_tracker.h ---- */
static INLINE void fill_dns_id(flow_id *id, dns_flow_id *dns_flow, u16 dns_id, bool reverse) {
    dns_flow->id = dns_id;
    dns_flow->protocol = id->transport_protocol;
    if (reverse) {
        __builtin_memcpy(dns_flow->src_ip, id->dst_ip, IP_MAX_LEN);
        __builtin_memcpy(dns_flow->dst_ip, id->src_ip, IP_MAX_LEN);
        dns_flow->src_port = id->dst_port;
        dns_flow->dst_port = id->src_port;
    } else {
        __builtin_memcpy(dns_flow->src_ip, id->src_ip, IP_MAX_LEN);
        __builtin_memcpy(dns_flow->dst_ip, id->dst_ip, IP_MAX_LEN);
        dns_flow->src_port = id->src_port;
        dns_flow->dst_port = id->dst_port;
    }
}

static __noinline long add_dns_query(dns_flow_id *query, u64 *ts) {
    if (!query || !ts)
        return -1;
    return bpf_map_update_elem(&dns_flows, query, ts, BPF_NOEXIST);
}

static INLINE void track_dns_packet(struct __sk_buff *skb, pkt_info *pkt) {
    if (pkt->id->transport_protocol != IPPROTO_UDP || !pkt->l4_hdr)
        return;
    if (pkt->id->dst_port != dns_port && pkt->id->src_port != dns_port)
        return;
    struct dns_header dns;
    u32 dns_offset = (long)pkt->l4_hdr + sizeof(struct udphdr) - (u64)(long)skb->data;
    if (bpf_skb_load_bytes(skb, dns_offset, &dns, sizeof(dns)) < 0)
        return;
    dns_flow_id dns_req = {};
    u64 ts = bpf_ktime_get_ns();
    u16 flags = bpf_ntohs(dns.flags);
    if ((flags & DNS_QR_FLAG) == 0) { /* dns query */
        fill_dns_id(pkt->id, &dns_req, bpf_ntohs(dns.id), false);
        if (add_dns_query(&dns_req, &ts))
            increase_counter(HASHMAP_FAIL_UPDATE_DNS);
    } else { /* dns response */
        fill_dns_id(pkt->id, &dns_req, bpf_ntohs(dns.id), true);
        u64 *value = bpf_map_lookup_elem(&dns_flows, &dns_req);
        if (value) {
            pkt->dns_latency = ts - *value;
            pkt->dns_id = bpf_ntohs(dns.id);
            bpf_map_delete_elem(&dns_flows, &dns_req);
        }
    }
}

/* ---- flows.c ---- */
static INLINE int flow_monitor(struct __sk_buff *skb, u8 direction) {
    // If sampling is defined, will only parse 1 out of "sampling" flows
    if (sampling > 1 && (bpf_get_prandom_u32() % sampling) != 0)
        return TC_ACT_OK;

    flow_id id = {};
    pkt_info pkt = {};
    pkt.id = &id;
    pkt.current_ts = bpf_ktime_get_ns(); // Record the current time first.

    void *data_end = (void *)(long)skb->data_end;
    void *data = (void *)(long)skb->data;
    struct ethhdr *eth = (struct ethhdr *)data;

    if (fill_ethhdr(eth, data_end, &pkt) == DISCARD) {
        increase_counter(FILTER_REJECT);
        return TC_ACT_OK;
    }
    increase_counter(FLOWS_SEEN);
    if (enable_dns_tracking)
        track_dns_packet(skb, &pkt);

    u64 len = skb->len;
    flow_metrics *aggregate_flow = (flow_metrics *)bpf_map_lookup_elem(&aggregated_flows, &id);
    if (aggregate_flow != NULL) {
        aggregate_flow->packets += 1;
        aggregate_flow->bytes += len;
        aggregate_flow->end_mono_time_ts = pkt.current_ts;
        aggregate_flow->flags |= pkt.flags;
        aggregate_flow->dscp = pkt.dscp;
    } else {
        flow_metrics new_flow;
        __builtin_memset(&new_flow, 0, sizeof(new_flow));
        new_flow.if_index_first_seen = skb->ifindex;
        new_flow.direction_first_seen = direction;
        new_flow.packets = 1;
        new_flow.bytes = len;
        new_flow.eth_protocol = pkt.eth_protocol;
        new_flow.start_mono_time_ts = pkt.current_ts;
        new_flow.end_mono_time_ts = pkt.current_ts;
        new_flow.flags = pkt.flags;
        new_flow.dscp = pkt.dscp;
        new_flow.sampling = sampling;
        __builtin_memcpy(new_flow.dst_mac, eth->h_dest, ETH_ALEN);
        __builtin_memcpy(new_flow.src_mac, eth->h_source, ETH_ALEN);
        new_flow.observed_intf[0] = skb->ifindex;
        new_flow.observed_direction[0] = direction;
        new_flow.nb_observed_intf = 1;

        long ret = bpf_map_update_elem(&aggregated_flows, &id, &new_flow, BPF_NOEXIST);
        if (ret != 0) {
            BPF_PRINTK("error adding flow %d\n", ret);
            /*
                When the map is full, we directly send the flow entry to userspace via ringbuffer,
                until space is available in the kernel-side maps
            */
            increase_counter(HASHMAP_FLOWS_DROPPED);
            new_flow.errno = -ret;
            flow_record *record =
                (flow_record *)bpf_ringbuf_reserve(&direct_flows, sizeof(flow_record), 0);
            if (!record) {
                BPF_PRINTK("couldn't reserve space in the ringbuf. Dropping flow");
                return TC_ACT_OK;
            }
            record->id = id;
            record->metrics = new_flow;
            bpf_ringbuf_submit(record, 0);
        }
    }
    return TC_ACT_OK;
}

SEC("tc_ingress")
int ingress_flow_parse(struct __sk_buff *skb) {
    return flow_monitor(skb, INGRESS);
}

SEC("tc_egress")
int egress_flow_parse(struct __sk_buff *skb) {
    return flow_monitor(skb, EGRESS);
}

SEC("tcx_ingress")
int tcx_ingress_flow_parse(struct __sk_buff *skb) {
    flow_monitor(skb, INGRESS);
    // return TCX_NEXT to allow existing with other TCX hooks
    return TCX_NEXT;
}

SEC("tcx/egress")
int tcx_egress_flow_parse(struct __sk_buff *skb) {
    flow_monitor(skb, EGRESS);
    return TCX_NEXT;
}

/* ---- pkt_drops.h ---- */
SEC("tracepoint/skb/kfree_skb")
int kfree_skb(struct trace_event_raw_kfree_skb *args) {
    struct sk_buff *skb = (struct sk_buff *)BPF_CORE_READ(args, skbaddr);
    flow_id id = {};
    struct pkt_drops_t init = {.packets = 1}, *drops;

    // SKB_NOT_DROPPED_YET, SKB_CONSUMED and SKB_DROP_REASON_NOT_SPECIFIED say nothing
    if ((u32)BPF_CORE_READ(args, reason) <= 2)
        return 0;
    id.transport_protocol = BPF_CORE_READ(skb, protocol) & 0xff;
    drops = bpf_map_lookup_elem(&packet_drops, &id);
    if (drops) {
        drops->packets += 1;
        drops->bytes += BPF_CORE_READ(skb, len);
    } else {
        init.bytes = BPF_CORE_READ(skb, len);
        bpf_map_update_elem(&packet_drops, &id, &init, BPF_NOEXIST);
    }
    return 0;
}

/* ---- rtt_tracker.h ---- */
static INLINE int rtt_lookup_and_update_flow(flow_id *id, u64 rtt) {
    flow_metrics *flow = bpf_map_lookup_elem(&aggregated_flows, id);
    if (!flow)
        return -1;
    flow->end_mono_time_ts = rtt;
    return 0;
}

static INLINE int calculate_flow_rtt_tcp(struct sock *sk, struct sk_buff *skb) {
    flow_id id = {};
    u16 family;

    if (!enable_rtt)
        return 0;
    family = BPF_CORE_READ(sk, __sk_common.skc_family);
    if (family != AF_INET && family != AF_INET6)
        return 0;
    struct tcp_sock *ts = (struct tcp_sock *)(sk);
    u64 rtt = BPF_CORE_READ(ts, srtt_us) >> 3;
    id.src_port = BPF_CORE_READ(sk, __sk_common.skc_num);
    rtt_lookup_and_update_flow(&id, rtt * 1000u);
    return 0;
}

SEC("fentry/tcp_rcv_established")
int BPF_PROG(tcp_rcv_fentry, struct sock *sk, struct sk_buff *skb) {
    if (sk == NULL || skb == NULL) {
        return 0;
    }
    return calculate_flow_rtt_tcp(sk, skb);
}

SEC("kprobe/tcp_rcv_established")
int BPF_KPROBE(tcp_rcv_kprobe, struct sock *sk, struct sk_buff *skb) {
    if (sk == NULL || skb == NULL) {
        return 0;
    }
    return calculate_flow_rtt_tcp(sk, skb);
}

char _license[] SEC("license") = "GPL";
