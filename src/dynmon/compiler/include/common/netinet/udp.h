/* UDP: one header whose members have the names of a C library and those of the kernel. */
#ifndef DYNMON_NETINET_UDP_H
#define DYNMON_NETINET_UDP_H

#include <sys/types.h>

#ifndef _LINUX_UDP_H
#define udphdr dynmon_linux_udphdr
#include <linux/udp.h>
#undef udphdr

struct udphdr {
	union {
		struct {
			__be16 uh_sport;
			__be16 uh_dport;
			__be16 uh_ulen;
			__sum16 uh_sum;
		};
		struct {
			__be16 source;
			__be16 dest;
			__be16 len;
			__sum16 check;
		};
	};
};
#endif

#endif
