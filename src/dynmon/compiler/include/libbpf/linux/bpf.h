/* The kernel's, and what its headers lacked before Linux 6.6: the verdicts of a tcx program. */
#ifndef DYNMON_LINUX_BPF_H
#define DYNMON_LINUX_BPF_H

#include_next <linux/bpf.h>

#ifndef BPF_F_BEFORE /* it came with them */
enum tcx_action_base {
	TCX_NEXT = -1,
	TCX_PASS = 0,
	TCX_DROP = 2,
	TCX_REDIRECT = 7,
};
#endif

#endif
