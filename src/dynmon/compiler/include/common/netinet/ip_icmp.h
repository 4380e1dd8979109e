/* The kernel's header of ICMP, and the names of its types. */
#ifndef DYNMON_NETINET_IP_ICMP_H
#define DYNMON_NETINET_IP_ICMP_H

#include <linux/icmp.h>
#include <netinet/in.h>
#include <netinet/ip.h>

#define ICMP_MINLEN 8
#define ICMP_UNREACH ICMP_DEST_UNREACH
#define ICMP_SOURCEQUENCH ICMP_SOURCE_QUENCH
#define ICMP_ROUTERADVERT 9
#define ICMP_ROUTERSOLICIT 10
#define ICMP_TIMXCEED ICMP_TIME_EXCEEDED
#define ICMP_PARAMPROB ICMP_PARAMETERPROB

#endif
