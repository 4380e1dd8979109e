/* TCP: one header whose members have the names of a C library and those of the kernel. */
#ifndef DYNMON_NETINET_TCP_H
#define DYNMON_NETINET_TCP_H

#include <sys/types.h>

#ifndef _LINUX_TCP_H
#define tcphdr dynmon_linux_tcphdr
#include <linux/tcp.h>
#undef tcphdr

struct tcphdr {
	union {
		struct {
			__be16 th_sport;
			__be16 th_dport;
			__be32 th_seq;
			__be32 th_ack;
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
			__u8 th_x2 : 4, th_off : 4;
#else
			__u8 th_off : 4, th_x2 : 4;
#endif
			__u8 th_flags;
			__be16 th_win;
			__sum16 th_sum;
			__be16 th_urp;
		};
		struct {
			__be16 source;
			__be16 dest;
			__be32 seq;
			__be32 ack_seq;
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
			__u16 res1 : 4, doff : 4, fin : 1, syn : 1, rst : 1, psh : 1, ack : 1, urg : 1, res2 : 2;
#else
			__u16 doff : 4, res1 : 4, res2 : 2, urg : 1, ack : 1, psh : 1, rst : 1, syn : 1, fin : 1;
#endif
			__be16 window;
			__sum16 check;
			__be16 urg_ptr;
		};
	};
};
#endif

#define TH_FIN 0x01
#define TH_SYN 0x02
#define TH_RST 0x04
#define TH_PUSH 0x08
#define TH_ACK 0x10
#define TH_URG 0x20

#define TCPOPT_EOL 0
#define TCPOPT_NOP 1
#define TCPOPT_MAXSEG 2
#define TCPOLEN_MAXSEG 4
#define TCPOPT_WINDOW 3
#define TCPOLEN_WINDOW 3
#define TCPOPT_SACK_PERMITTED 4
#define TCPOLEN_SACK_PERMITTED 2
#define TCPOPT_SACK 5
#define TCPOPT_TIMESTAMP 8
#define TCPOLEN_TIMESTAMP 10

#endif
