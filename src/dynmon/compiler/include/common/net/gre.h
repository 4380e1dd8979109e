/* The part of a GRE header that is always there. */
#ifndef DYNMON_NET_GRE_H
#define DYNMON_NET_GRE_H

#include <linux/if_tunnel.h>

struct gre_base_hdr {
	__be16 flags;
	__be16 protocol;
};

#endif
