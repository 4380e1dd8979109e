/* The kernel's own header describes frames, the one for user space only system calls. */
#ifndef DYNMON_LINUX_IF_VLAN_H
#define DYNMON_LINUX_IF_VLAN_H

#include_next <linux/if_vlan.h>
#include <linux/if_ether.h>
#include <dynmon/vlan_hdr.h>

#define VLAN_HLEN 4
#define VLAN_ETH_HLEN 18
#define VLAN_VID_MASK 0x0fff
#define VLAN_PRIO_MASK 0xe000
#define VLAN_PRIO_SHIFT 13
#define VLAN_CFI_MASK 0x1000
#define VLAN_N_VID 4096

struct vlan_ethhdr {
	unsigned char h_dest[ETH_ALEN];
	unsigned char h_source[ETH_ALEN];
	__be16 h_vlan_proto;
	__be16 h_vlan_TCI;
	__be16 h_vlan_encapsulated_proto;
};

#endif
