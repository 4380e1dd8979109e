/*
 * The dialect of injected code, read before the first line of the user's source.
 *
 * Nothing rewrites that source. A map macro declares the map, inline functions over the helpers, and a constant
 * struct of pointers to them under the map's own name: clang folds the pointers, so `X.lookup(&key)` becomes one
 * direct helper call. The program that the kernel runs stands here, before the code that it calls, so that the
 * line numbers in diagnostics are the user's.
 */
#ifndef DYNMON_DIALECT_H
#define DYNMON_DIALECT_H

#define __KERNEL__ 1
#define __BPF_TRACING__ 1

#include <dynmon/types.h>
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_endian.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/in.h>
#include <linux/pkt_cls.h>
#include <linux/version.h>
#ifdef DYNMON_HOOK_XDP
#include <linux/errno.h>
#include <linux/ip.h>
#endif
#include <dynmon/metadata.h>
#include <dynmon/compat.h>
#include <dynmon/maps.h>
#include <dynmon/bytes.h>
#include <dynmon/checksum.h>
#include <dynmon/vlan.h>
#include <dynmon/log.h>
#include <dynmon/protocols.h>
#include <dynmon/program.h>

#endif
