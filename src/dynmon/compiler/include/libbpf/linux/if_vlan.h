/* The kernel's interface to user space has no frames in it; its own header, which code of its tree means, has. */
#include_next <linux/if_vlan.h>

#ifdef DYNMON_KERNEL_WORDS_H
#ifndef DYNMON_LINUX_IF_VLAN_H
#define DYNMON_LINUX_IF_VLAN_H

#define VLAN_HLEN 4
#define VLAN_VID_MASK 0x0fff
#define VLAN_PRIO_MASK 0xe000
#define VLAN_PRIO_SHIFT 13

struct vlan_hdr {
	__be16 h_vlan_TCI;
	__be16 h_vlan_encapsulated_proto;
};

struct vlan_ethhdr {
	unsigned char h_dest[6];
	unsigned char h_source[6];
	__be16 h_vlan_proto;
	__be16 h_vlan_TCI;
	__be16 h_vlan_encapsulated_proto;
};

#endif
#endif
