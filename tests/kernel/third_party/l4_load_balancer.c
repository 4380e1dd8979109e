/* An XDP load balancer for layer 4, in the manner of the well-known ones: virtual addresses by a packed key, rings of
 * real servers, a connection table for each CPU as a map in a map, statistics by index, checks by ctl_array. */
#include <linux/bpf.h>
#include <linux/icmp.h>
#include <linux/icmpv6.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <stdbool.h>
#include <stddef.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#ifndef __always_inline
#define __always_inline inline __attribute__((always_inline))
#endif

#define BE_ETH_P_IP 8
#define BE_ETH_P_IPV6 56710
#define PCKT_FRAGMENTED 65343
#define IPV4_HDR_LEN_NO_OPT 20
#define MAX_VIPS 512
#define MAX_REALS 4096
#define RING_SIZE 65537
#define CH_RINGS_SIZE (MAX_VIPS * RING_SIZE)
#define MAX_SUPPORTED_CPUS 128
#define DEFAULT_LRU_SIZE 1000
#define STATS_MAP_SIZE (MAX_VIPS * 2)
#define LRU_CNTRS 0
#define LRU_MISS_CNTR 1
#define QUIC_CID_STATS 2
#define ICMP_TOOBIG_CNTRS 4
#define CTL_MAP_SIZE 16
#define FURTHER_PROCESSING -1
#define NO_FLAGS 0
#define F_HASH_NO_SRC_PORT (1 << 0)
#define F_LRU_BYPASS (1 << 1)
#define F_QUIC_VIP (1 << 2)
#define F_ICMP (1 << 0)
#define F_SYN_SET (1 << 1)
#define QUIC_LONG_HEADER 0x80
#define QUIC_MIN_CONNID_LEN 8
#define INIT_JHASH_SEED CH_RINGS_SIZE
#define RECIRCULATION_INDEX 0

#define JHASH_INITVAL 0xdeadbeef

struct flow_key {
  union {
    __be32 src;
    __be32 srcv6[4];
  };
  union {
    __be32 dst;
    __be32 dstv6[4];
  };
  union {
    __u32 ports;
    __u16 port16[2];
  };
  __u8 proto;
};

struct packet_description {
  struct flow_key flow;
  __u32 real_index;
  __u8 flags;
  __u8 tos;
};

struct ctl_value {
  union {
    __u64 value;
    __u32 ifindex;
    __u8 mac[6];
  };
};

// where to send client's packet from the table of virtual addresses
struct vip_definition {
  union {
    __be32 vip;
    __be32 vipv6[4];
  };
  __u16 port;
  __u8 proto;
} __attribute__((packed));

struct vip_meta {
  __u32 flags;
  __u32 vip_num;
};

struct real_pos_lru {
  __u32 pos;
  __u64 atime;
};

struct real_definition {
  union {
    __be32 dst;
    __be32 dstv6[4];
  };
  __u8 flags;
};

// per vip statistics
struct lb_stats {
  __u64 v1;
  __u64 v2;
};

// map, which contains all the vips for which we are doing load balancing
struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __type(key, struct vip_definition);
  __type(value, struct vip_meta);
  __uint(max_entries, MAX_VIPS);
  __uint(map_flags, NO_FLAGS);
} vip_map SEC(".maps");

// fallback lru, for a cpu whose own is not there
struct {
  __uint(type, BPF_MAP_TYPE_LRU_HASH);
  __type(key, struct flow_key);
  __type(value, struct real_pos_lru);
  __uint(max_entries, DEFAULT_LRU_SIZE);
  __uint(map_flags, NO_FLAGS);
} fallback_cache SEC(".maps");

// map which contains cpu core to lru mapping
struct {
  __uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
  __type(key, __u32);
  __type(value, __u32);
  __uint(max_entries, MAX_SUPPORTED_CPUS);
  __uint(map_flags, NO_FLAGS);
  __array(
      values,
      struct {
        __uint(type, BPF_MAP_TYPE_LRU_HASH);
        __type(key, struct flow_key);
        __type(value, struct real_pos_lru);
        __uint(max_entries, DEFAULT_LRU_SIZE);
      });
} lru_mapping SEC(".maps");

// map which contains all vip to real mappings
struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __type(key, __u32);
  __type(value, __u32);
  __uint(max_entries, CH_RINGS_SIZE);
  __uint(map_flags, NO_FLAGS);
} ch_rings SEC(".maps");

// map which contains opaque real's id to real mapping
struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __type(key, __u32);
  __type(value, struct real_definition);
  __uint(max_entries, MAX_REALS);
  __uint(map_flags, NO_FLAGS);
} reals SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __type(key, __u32);
  __type(value, struct lb_stats);
  __uint(max_entries, MAX_REALS);
} reals_stats SEC(".maps");

// map with per vip stats, and the counters of the balancer itself behind them
struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __type(key, __u32);
  __type(value, struct lb_stats);
  __uint(max_entries, STATS_MAP_SIZE);
} stats SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __type(key, __u32);
  __type(value, struct ctl_value);
  __uint(max_entries, CTL_MAP_SIZE);
} ctl_array SEC(".maps");

// map for mapping of quic connection ids to reals
struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __type(key, __u32);
  __type(value, __u32);
  __uint(max_entries, 65536);
} server_id_map SEC(".maps");

// decapsulated packets come around once more
struct {
  __uint(type, BPF_MAP_TYPE_PROG_ARRAY);
  __type(key, __u32);
  __type(value, __u32);
  __uint(max_entries, 1);
} subprograms SEC(".maps");

static __always_inline __u32 rol32(__u32 word, unsigned int shift) {
  return (word << shift) | (word >> ((-shift) & 31));
}

#define __jhash_final(a, b, c) \
  {                            \
    c ^= b;                    \
    c -= rol32(b, 14);         \
    a ^= c;                    \
    a -= rol32(c, 11);         \
    b ^= a;                    \
    b -= rol32(a, 25);         \
    c ^= b;                    \
    c -= rol32(b, 16);         \
    a ^= c;                    \
    a -= rol32(c, 4);          \
    b ^= a;                    \
    b -= rol32(a, 14);         \
    c ^= b;                    \
    c -= rol32(b, 24);         \
  }

static __always_inline __u32 jhash_2words(__u32 a, __u32 b, __u32 initval) {
  __u32 c = initval + JHASH_INITVAL + (2 << 2);

  a += initval + JHASH_INITVAL + (2 << 2);
  b += initval + JHASH_INITVAL + (2 << 2);
  __jhash_final(a, b, c);
  return c;
}

__attribute__((__always_inline__)) static inline __u16 csum_fold_helper(__u64 csum) {
  int i;
#pragma unroll
  for (i = 0; i < 4; i++) {
    if (csum >> 16)
      csum = (csum & 0xffff) + (csum >> 16);
  }
  return ~csum;
}

// what an answer to the client would carry; the sum of an ip header without options
__attribute__((noinline)) __u32 ipv4_csum_of(__u32 saddr, __u32 daddr, __u32 rest) {
  __u64 csum = (saddr >> 16) + (saddr & 0xffff) + (daddr >> 16) + (daddr & 0xffff) + rest;

  return csum_fold_helper(csum);
}

static __always_inline bool is_under_flood(__u64* cur_time) {
  __u32 key = MAX_VIPS + LRU_CNTRS;
  struct lb_stats* conn_rate = bpf_map_lookup_elem(&stats, &key);

  if (!conn_rate)
    return true;
  conn_rate->v1 += 1;
  *cur_time = bpf_ktime_get_ns();
  return false;
}

static __always_inline __u32 get_packet_hash(struct packet_description* pckt, bool hash_16bytes) {
  if (hash_16bytes)
    return jhash_2words(
        pckt->flow.srcv6[0] ^ pckt->flow.srcv6[1] ^ pckt->flow.srcv6[2] ^ pckt->flow.srcv6[3],
        pckt->flow.ports,
        INIT_JHASH_SEED);
  return jhash_2words(pckt->flow.src, pckt->flow.ports, INIT_JHASH_SEED);
}

static __always_inline bool get_packet_dst(
    struct real_definition** real,
    struct packet_description* pckt,
    struct vip_meta* vip_info,
    bool is_ipv6,
    void* lru_map) {
  struct real_pos_lru new_dst_lru = {};
  bool under_flood = false;
  __u64 cur_time = 0;
  __u32 key, *real_pos;
  __u32 hash;

  under_flood = is_under_flood(&cur_time);
  hash = get_packet_hash(pckt, is_ipv6) % RING_SIZE;
  key = RING_SIZE * (vip_info->vip_num) + hash;
  real_pos = bpf_map_lookup_elem(&ch_rings, &key);
  if (!real_pos)
    return false;
  pckt->real_index = *real_pos;
  key = *real_pos;
  *real = bpf_map_lookup_elem(&reals, &key);
  if (!(*real))
    return false;
  if (lru_map && !(vip_info->flags & F_LRU_BYPASS) && !under_flood) {
    new_dst_lru.atime = cur_time;
    new_dst_lru.pos = key;
    bpf_map_update_elem(lru_map, &pckt->flow, &new_dst_lru, BPF_ANY);
  }
  return true;
}

static __always_inline void connection_table_lookup(
    struct real_definition** real,
    struct packet_description* pckt,
    void* lru_map) {
  struct real_pos_lru* dst_lru;
  __u32 key;

  dst_lru = bpf_map_lookup_elem(lru_map, &pckt->flow);
  if (!dst_lru)
    return;
  key = dst_lru->pos;
  pckt->real_index = key;
  *real = bpf_map_lookup_elem(&reals, &key);
}

static __always_inline int parse_icmp(void* data, void* data_end, __u64 off) {
  struct icmphdr* icmp_hdr = data + off;

  if ((void*)(icmp_hdr + 1) > data_end)
    return XDP_DROP;
  if (icmp_hdr->type == ICMP_ECHO)
    return XDP_TX;
  if (icmp_hdr->type != ICMP_DEST_UNREACH)
    return XDP_PASS;
  if (icmp_hdr->code == ICMP_FRAG_NEEDED) {
    __u32 stats_key = MAX_VIPS + ICMP_TOOBIG_CNTRS;
    struct lb_stats* icmp_ptb_stats = bpf_map_lookup_elem(&stats, &stats_key);

    if (!icmp_ptb_stats)
      return XDP_DROP;
    icmp_ptb_stats->v1 += 1;
  }
  return FURTHER_PROCESSING;
}

struct quic_long_header {
  __u8 flags;
  __u32 version;
  __u8 conn_id_lens;
  __u8 dst_connection_id[QUIC_MIN_CONNID_LEN];
} __attribute__((__packed__));

struct quic_short_header {
  __u8 flags;
  __u8 connection_id[QUIC_MIN_CONNID_LEN];
} __attribute__((__packed__));

static __always_inline int parse_quic(void* data, void* data_end, __u64 off) {
  struct quic_long_header* quic = data + off;
  struct quic_short_header* short_header = data + off;
  __u8* connId;

  if ((void*)(short_header + 1) > data_end)
    return FURTHER_PROCESSING;
  if (short_header->flags & QUIC_LONG_HEADER) {
    if ((void*)(quic + 1) > data_end)
      return FURTHER_PROCESSING;
    connId = quic->dst_connection_id;
  } else {
    connId = short_header->connection_id;
  }
  if ((connId[0] >> 6) != 1)
    return FURTHER_PROCESSING;
  return ((connId[0] & 0x3F) << 10) | (connId[1] << 2) | (connId[2] >> 6);
}

static __always_inline bool parse_ports(
    void* data, void* data_end, __u64 off, struct packet_description* pckt) {
  __u16* ports = data + off;
  struct tcphdr* tcp;

  if ((void*)(ports + 2) > data_end)
    return false;
  pckt->flow.port16[0] = ports[0];
  pckt->flow.port16[1] = ports[1];
  if (pckt->flow.proto != IPPROTO_TCP)
    return true;
  tcp = data + off;
  if ((void*)(tcp + 1) > data_end)
    return false;
  if (tcp->syn)
    pckt->flags |= F_SYN_SET;
  return true;
}

static __always_inline int process_l3_headers(
    struct packet_description* pckt,
    __u8* protocol,
    __u64* off,
    void* data,
    void* data_end,
    bool is_ipv6) {
  struct ipv6hdr* ip6h;
  struct iphdr* iph;

  if (is_ipv6) {
    ip6h = data + *off;
    if ((void*)(ip6h + 1) > data_end)
      return XDP_DROP;
    *protocol = ip6h->nexthdr;
    pckt->flow.proto = *protocol;
    *off += sizeof(struct ipv6hdr);
    if (*protocol == IPPROTO_FRAGMENT)
      // we drop fragmented packets
      return XDP_DROP;
    __builtin_memcpy(pckt->flow.srcv6, ip6h->saddr.in6_u.u6_addr32, 16);
    __builtin_memcpy(pckt->flow.dstv6, ip6h->daddr.in6_u.u6_addr32, 16);
    return FURTHER_PROCESSING;
  }
  iph = data + *off;
  if ((void*)(iph + 1) > data_end)
    return XDP_DROP;
  // ihl contains len of ipv4 header in 32bit words
  if (iph->ihl != 5)
    return XDP_DROP;
  *protocol = iph->protocol;
  pckt->flow.proto = *protocol;
  *off += IPV4_HDR_LEN_NO_OPT;
  if (iph->frag_off & PCKT_FRAGMENTED)
    return XDP_DROP;
  if (*protocol == IPPROTO_ICMP)
    return parse_icmp(data, data_end, *off);
  pckt->flow.src = iph->saddr;
  pckt->flow.dst = iph->daddr;
  return FURTHER_PROCESSING;
}

static __always_inline int process_packet(struct xdp_md* xdp, __u64 off, bool is_ipv6) {
  void* data = (void*)(long)xdp->data;
  void* data_end = (void*)(long)xdp->data_end;
  __u32 cpu_num = bpf_get_smp_processor_id();
  struct packet_description pckt = {};
  struct vip_definition vip = {};
  struct real_definition* dst = NULL;
  struct lb_stats* data_stats;
  struct vip_meta* vip_info;
  __u32 vip_num, stats_key;
  void* lru_map;
  __u8 protocol = 0;
  __u64 pkt_bytes;
  int action;

  action = process_l3_headers(&pckt, &protocol, &off, data, data_end, is_ipv6);
  if (action >= 0)
    return action;
  if (protocol != IPPROTO_TCP && protocol != IPPROTO_UDP)
    return XDP_PASS;
  if (!parse_ports(data, data_end, off, &pckt))
    return XDP_DROP;

  if (is_ipv6)
    __builtin_memcpy(vip.vipv6, pckt.flow.dstv6, 16);
  else
    vip.vip = pckt.flow.dst;
  vip.port = pckt.flow.port16[1];
  vip.proto = pckt.flow.proto;
  vip_info = bpf_map_lookup_elem(&vip_map, &vip);
  if (!vip_info) {
    vip.port = 0;
    // VIP, which doesn't care about dst port
    vip_info = bpf_map_lookup_elem(&vip_map, &vip);
    if (!vip_info)
      return XDP_PASS;
  }
  if (vip_info->flags & F_HASH_NO_SRC_PORT)
    pckt.flow.port16[0] = 0;

  if (vip_info->flags & F_QUIC_VIP) {
    __u32 quic_key = MAX_VIPS + QUIC_CID_STATS;
    struct lb_stats* quic_stats = bpf_map_lookup_elem(&stats, &quic_key);
    int server_id = parse_quic(data, data_end, off + sizeof(struct udphdr));

    if (!quic_stats)
      return XDP_DROP;
    if (server_id > 0) {
      __u32 key = server_id;
      __u32* real_pos = bpf_map_lookup_elem(&server_id_map, &key);

      if (real_pos && *real_pos) {
        key = *real_pos;
        pckt.real_index = key;
        dst = bpf_map_lookup_elem(&reals, &key);
        quic_stats->v2 += 1;
      }
    } else {
      quic_stats->v1 += 1;
    }
  }

  lru_map = bpf_map_lookup_elem(&lru_mapping, &cpu_num);
  if (!lru_map)
    lru_map = &fallback_cache;
  if (!dst) {
    if (!(pckt.flags & F_SYN_SET) && !(vip_info->flags & F_LRU_BYPASS))
      connection_table_lookup(&dst, &pckt, lru_map);
    if (!dst) {
      stats_key = MAX_VIPS + LRU_MISS_CNTR;
      data_stats = bpf_map_lookup_elem(&stats, &stats_key);
      if (!data_stats)
        return XDP_DROP;
      if (pckt.flags & F_SYN_SET)
        data_stats->v1 += 1;
      else
        data_stats->v2 += 1;
      if (!get_packet_dst(&dst, &pckt, vip_info, is_ipv6, lru_map))
        return XDP_DROP;
    }
  }

  vip_num = vip_info->vip_num;
  data_stats = bpf_map_lookup_elem(&stats, &vip_num);
  if (!data_stats)
    return XDP_DROP;
  pkt_bytes = data_end - data;
  data_stats->v1 += 1;
  data_stats->v2 += pkt_bytes;

  data_stats = bpf_map_lookup_elem(&reals_stats, &pckt.real_index);
  if (!data_stats)
    return XDP_DROP;
  data_stats->v1 += 1;
  data_stats->v2 += pkt_bytes;
  return ipv4_csum_of(pckt.flow.src, dst->dst, pkt_bytes) == 0x10000 ? XDP_DROP : XDP_TX;
}

SEC("xdp.frags")
int balancer_ingress(struct xdp_md* ctx) {
  void* data = (void*)(long)ctx->data;
  void* data_end = (void*)(long)ctx->data_end;
  struct ethhdr* eth = data;
  __u32 eth_proto;
  __u32 nh_off;

  nh_off = sizeof(struct ethhdr);
  if (data + nh_off > data_end)
    // bogus packet, len less than minimum ethernet frame size
    return XDP_DROP;
  eth_proto = eth->h_proto;
  if (eth_proto == BE_ETH_P_IP)
    return process_packet(ctx, nh_off, false);
  else if (eth_proto == BE_ETH_P_IPV6)
    return process_packet(ctx, nh_off, true);
  // pass to tcp/ip stack
  bpf_tail_call(ctx, &subprograms, RECIRCULATION_INDEX);
  return XDP_PASS;
}

char _license[] SEC("license") = "GPL";
