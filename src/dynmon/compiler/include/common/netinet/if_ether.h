/* Frames, and ARP for IPv4 over them. */
#ifndef DYNMON_NETINET_IF_ETHER_H
#define DYNMON_NETINET_IF_ETHER_H

#include <linux/if_arp.h>
#include <net/ethernet.h>

struct ether_arp {
	struct arphdr ea_hdr;
	__u8 arp_sha[ETH_ALEN];
	__u8 arp_spa[4];
	__u8 arp_tha[ETH_ALEN];
	__u8 arp_tpa[4];
};
#define arp_hrd ea_hdr.ar_hrd
#define arp_pro ea_hdr.ar_pro
#define arp_hln ea_hdr.ar_hln
#define arp_pln ea_hdr.ar_pln
#define arp_op ea_hdr.ar_op

#endif
