/* The kernel's struct, which its headers for user space lack: known at XDP, and to who includes linux/if_vlan.h. */
#ifndef DYNMON_VLAN_HDR_H
#define DYNMON_VLAN_HDR_H

struct vlan_hdr {
	__be16 h_vlan_TCI;
	__be16 h_vlan_encapsulated_proto;
};

#endif
