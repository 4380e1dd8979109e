/* IPv6, in the words of a C library beside the kernel's. */
#ifndef DYNMON_NETINET_IP6_H
#define DYNMON_NETINET_IP6_H

#include <linux/ipv6.h>
#include <netinet/in.h>

struct ip6_hdr {
	union {
		struct ip6_hdrctl {
			__u32 ip6_un1_flow;
			__u16 ip6_un1_plen;
			__u8 ip6_un1_nxt;
			__u8 ip6_un1_hlim;
		} ip6_un1;
		__u8 ip6_un2_vfc;
	} ip6_ctlun;
	struct in6_addr ip6_src, ip6_dst;
};
#define ip6_vfc ip6_ctlun.ip6_un2_vfc
#define ip6_flow ip6_ctlun.ip6_un1.ip6_un1_flow
#define ip6_plen ip6_ctlun.ip6_un1.ip6_un1_plen
#define ip6_nxt ip6_ctlun.ip6_un1.ip6_un1_nxt
#define ip6_hlim ip6_ctlun.ip6_un1.ip6_un1_hlim
#define ip6_hops ip6_ctlun.ip6_un1.ip6_un1_hlim

struct ip6_ext {
	__u8 ip6e_nxt;
	__u8 ip6e_len;
};

struct ip6_hbh {
	__u8 ip6h_nxt;
	__u8 ip6h_len;
};

struct ip6_dest {
	__u8 ip6d_nxt;
	__u8 ip6d_len;
};

struct ip6_rthdr {
	__u8 ip6r_nxt;
	__u8 ip6r_len;
	__u8 ip6r_type;
	__u8 ip6r_segleft;
};

struct ip6_frag {
	__u8 ip6f_nxt;
	__u8 ip6f_reserved;
	__u16 ip6f_offlg;
	__u32 ip6f_ident;
};

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define IP6F_OFF_MASK 0xf8ff
#define IP6F_RESERVED_MASK 0x0600
#define IP6F_MORE_FRAG 0x0100
#else
#define IP6F_OFF_MASK 0xfff8
#define IP6F_RESERVED_MASK 0x0006
#define IP6F_MORE_FRAG 0x0001
#endif

#endif
