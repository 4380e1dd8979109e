/*
 * Header structures under BCC's names, for plain access through a pointer into the packet. Nothing swaps bytes:
 * fields of two and more bytes are in network byte order. Those that no C declaration can place have two parts.
 */
#ifndef DYNMON_PROTOCOLS_H
#define DYNMON_PROTOCOLS_H

#define BPF_PACKET_HEADER __attribute__((packed))

/* Bit-fields of one byte, the highest first as headers are drawn. */
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define DYNMON_BITS_2(a, b) b; a
#define DYNMON_BITS_3(a, b, c) c; b; a
#define DYNMON_BITS_4(a, b, c, d) d; c; b; a
#define DYNMON_BITS_8(a, b, c, d, e, f, g, h) h; g; f; e; d; c; b; a
#else
#define DYNMON_BITS_2(a, b) a; b
#define DYNMON_BITS_3(a, b, c) a; b; c
#define DYNMON_BITS_4(a, b, c, d) a; b; c; d
#define DYNMON_BITS_8(a, b, c, d, e, f, g, h) a; b; c; d; e; f; g; h
#endif

struct ethernet_t {
	__u64 dst : 48;
	__u64 src : 48;
	__be16 type;
} BPF_PACKET_HEADER;

struct dot1q_t {
	DYNMON_BITS_3(__u8 pri : 3, __u8 cfi : 1, __u8 vlanid_high : 4);
	__u8 vlanid_low;
	__be16 type;
} BPF_PACKET_HEADER;

struct arp_t {
	__be16 htype;
	__be16 ptype;
	__u8 hlen;
	__u8 plen;
	__be16 oper;
	__u64 sha : 48;
	__u64 spa : 32;
	__u64 tha : 48;
	__be32 tpa;
} BPF_PACKET_HEADER;

struct ip_t {
	DYNMON_BITS_2(__u8 ver : 4, __u8 hlen : 4);
	__u8 tos;
	__be16 tlen;
	__be16 identification;
	DYNMON_BITS_4(__u8 ffo_unused : 1, __u8 df : 1, __u8 mf : 1, __u8 foffset_high : 5);
	__u8 foffset_low;
	__u8 ttl;
	__u8 nextp;
	__sum16 hchecksum;
	__be32 src;
	__be32 dst;
} BPF_PACKET_HEADER;

struct icmp_t {
	__u8 type;
	__u8 code;
	__sum16 checksum;
} BPF_PACKET_HEADER;

struct ip6_t {
	DYNMON_BITS_2(__u8 ver : 4, __u8 priority_high : 4);
	DYNMON_BITS_2(__u8 priority_low : 4, __u8 flow_label_high : 4);
	__be16 flow_label_low;
	__be16 payload_len;
	__u8 next_header;
	__u8 hop_limit;
	__be64 src_hi;
	__be64 src_lo;
	__be64 dst_hi;
	__be64 dst_lo;
} BPF_PACKET_HEADER;

struct ip6_opt_t {
	__u8 next_header;
	__u8 ext_len;
	__u8 pad[6];
} BPF_PACKET_HEADER;

struct icmp6_t {
	__u8 type;
	__u8 code;
	__sum16 checksum;
} BPF_PACKET_HEADER;

struct udp_t {
	__be16 sport;
	__be16 dport;
	__be16 length;
	__sum16 crc;
} BPF_PACKET_HEADER;

struct tcp_t {
	__be16 src_port;
	__be16 dst_port;
	__be32 seq_num;
	__be32 ack_num;
	DYNMON_BITS_2(__u8 offset : 4, __u8 reserved : 4);
	DYNMON_BITS_8(__u8 flag_cwr : 1, __u8 flag_ece : 1, __u8 flag_urg : 1, __u8 flag_ack : 1,
		      __u8 flag_psh : 1, __u8 flag_rst : 1, __u8 flag_syn : 1, __u8 flag_fin : 1);
	__be16 rcv_wnd;
	__sum16 cksum;
	__be16 urg_ptr;
} BPF_PACKET_HEADER;

struct vxlan_t {
	DYNMON_BITS_3(__u8 rsv1 : 4, __u8 iflag : 1, __u8 rsv2 : 3);
	__u8 rsv3[3];
	__u8 key[3];
	__u8 rsv4;
} BPF_PACKET_HEADER;

struct vxlan_gbp_t {
	DYNMON_BITS_4(__u8 gflag : 1, __u8 rsv1 : 3, __u8 iflag : 1, __u8 rsv2 : 3);
	DYNMON_BITS_4(__u8 rsv3 : 1, __u8 dflag : 1, __u8 rsv4 : 2, __u8 aflag_rsv5 : 4);
	__be16 tag;
	__u8 key[3];
	__u8 rsv6;
} BPF_PACKET_HEADER;

/* The header at the cursor; the cursor moves behind it. Both are pointers into the packet: compare with data_end. */
#define cursor_advance(CURSOR, BYTES)                                                                          \
	({                                                                                                     \
		void *dynmon_header = (void *)(CURSOR);                                                        \
		(CURSOR) = (void *)((char *)dynmon_header + (BYTES));                                          \
		dynmon_header;                                                                                 \
	})

#endif
