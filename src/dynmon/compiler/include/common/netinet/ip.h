/* IPv4, in the words of a C library beside the kernel's. */
#ifndef DYNMON_NETINET_IP_H
#define DYNMON_NETINET_IP_H

#include <linux/ip.h>
#include <netinet/in.h>
#include <sys/types.h>

struct ip {
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	unsigned int ip_hl : 4, ip_v : 4;
#else
	unsigned int ip_v : 4, ip_hl : 4;
#endif
	__u8 ip_tos;
	__u16 ip_len;
	__u16 ip_id;
	__u16 ip_off;
	__u8 ip_ttl;
	__u8 ip_p;
	__u16 ip_sum;
	struct in_addr ip_src, ip_dst;
};

#define IP_RF 0x8000
#define IP_DF 0x4000
#define IP_MF 0x2000
#define IP_OFFMASK 0x1fff
#define IP_MAXPACKET 65535
#define MAXTTL 255
#define IPDEFTTL 64

#define IPTOS_ECN_MASK 0x03
#define IPTOS_ECN(x) ((x) & IPTOS_ECN_MASK)
#define IPTOS_ECN_NOT_ECT 0x00
#define IPTOS_ECN_ECT1 0x01
#define IPTOS_ECN_ECT0 0x02
#define IPTOS_ECN_CE 0x03
#define IPTOS_DSCP_MASK 0xfc
#define IPTOS_DSCP(x) ((x) & IPTOS_DSCP_MASK)

#endif
