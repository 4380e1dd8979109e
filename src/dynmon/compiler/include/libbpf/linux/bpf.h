/* The kernel's, and what its headers lacked before: the verdicts of a tcx program (6.6), a loop's counter (6.4). */
#ifndef DYNMON_LINUX_BPF_H
#define DYNMON_LINUX_BPF_H

#include_next <linux/bpf.h>
#include <linux/version.h>

#ifndef BPF_F_BEFORE /* it came with them */
enum tcx_action_base {
	TCX_NEXT = -1,
	TCX_PASS = 0,
	TCX_DROP = 2,
	TCX_REDIRECT = 7,
};
#endif

#if LINUX_VERSION_CODE < 0x060400
struct bpf_iter_num {
	__u64 __opaque[1];
} __attribute__((aligned(8)));
#endif

#endif
