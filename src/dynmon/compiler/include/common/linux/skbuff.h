/* Code sees a packet through struct __sk_buff, not struct sk_buff; the headers of packets come with it. */
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
