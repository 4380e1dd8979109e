/* The start of a frame, in the words of a C library beside the kernel's. */
#ifndef DYNMON_NET_ETHERNET_H
#define DYNMON_NET_ETHERNET_H

#include <linux/if_ether.h>
#include <sys/types.h>

#define ETHER_ADDR_LEN ETH_ALEN
#define ETHER_TYPE_LEN 2
#define ETHER_HDR_LEN ETH_HLEN
#define ETHER_CRC_LEN ETH_FCS_LEN
#define ETHER_MIN_LEN (ETH_ZLEN + ETH_FCS_LEN)
#define ETHER_MAX_LEN (ETH_FRAME_LEN + ETH_FCS_LEN)
#define ETHERMTU ETH_DATA_LEN
#define ETHERTYPE_IP ETH_P_IP
#define ETHERTYPE_IPV6 ETH_P_IPV6
#define ETHERTYPE_ARP ETH_P_ARP
#define ETHERTYPE_REVARP ETH_P_RARP
#define ETHERTYPE_VLAN ETH_P_8021Q
#define ETHERTYPE_LOOPBACK 0x9000

struct ether_addr {
	__u8 ether_addr_octet[ETH_ALEN];
} __attribute__((packed));

struct ether_header {
	__u8 ether_dhost[ETH_ALEN];
	__u8 ether_shost[ETH_ALEN];
	__u16 ether_type;
} __attribute__((packed));

#endif
