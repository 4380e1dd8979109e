/* What the code is told about a packet, and what it may answer. */
#ifndef DYNMON_METADATA_H
#define DYNMON_METADATA_H

#include <dynmon/types.h>

#ifdef DYNMON_HOOK_XDP
#ifdef DYNMON_PASSIVE
/* What the code of a passive cube takes for the context (passive.h says why): whole pointers, and no field more. */
typedef struct xdp_md dynmon_real_xdp_md;
#define xdp_md dynmon_passive_xdp_md
struct xdp_md {
	unsigned long data;
	unsigned long data_end;
	__u32 ingress_ifindex;
	__u32 rx_queue_index;
};
#endif
#define CTXTYPE xdp_md
#define POLYCUBE_XDP 1
#define MOD_NAME "dynmon"
#define RETURNCODE XDP_DROP
#else
#define CTXTYPE __sk_buff
#endif

#define _POLYCUBE_MAX_NODES 1024
#define _POLYCUBE_MAX_BPF_PROGRAMS 64
#define _POLYCUBE_MAX_PORTS 128
#define CONTROLLER_MODULE_INDEX (_POLYCUBE_MAX_NODES - 1)
#define NEXT 0xffff
#define NEXT_IS_NETDEV 0
#define CUR_CPU_IDENTIFIER BPF_F_CURRENT_CPU

enum {
	RX_OK = 0,
	RX_REDIRECT = 1,
	RX_DROP = 2,
	RX_RECIRCULATE = 3,
	RX_ERROR = 4,
};

struct pkt_metadata {
	__u16 cube_id;
	__u16 in_port;
	__u32 packet_len;
	__u32 traffic_class;
	__u16 reason;
	__u32 md[3];
} __attribute__((packed));

/*
 * Set by the loader before the verifier looks, so that a branch on one of them costs nothing. Static: an
 * object that does not use them has no .rodata, and the kernel no map for it.
 */
#define DYNMON_CONSTANT static const volatile __attribute__((unused))
DYNMON_CONSTANT __u32 dynmon_cube_id = 0;
DYNMON_CONSTANT __u32 dynmon_log_level = 2;
DYNMON_CONSTANT __u64 dynmon_epoch_base = 0;

#define CUBE_ID dynmon_cube_id
#define LOG_LEVEL dynmon_log_level
#define _EPOCH_BASE dynmon_epoch_base

#endif
