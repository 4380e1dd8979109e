/* The header of VXLAN: flags, and a network identifier in the upper 24 bits. */
#ifndef DYNMON_NET_VXLAN_H
#define DYNMON_NET_VXLAN_H

#include <linux/types.h>

struct vxlanhdr {
	__be32 vx_flags;
	__be32 vx_vni;
};

#endif
