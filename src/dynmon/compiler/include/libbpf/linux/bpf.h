/* The kernel's, and what its headers lacked before: the verdicts of a tcx program (6.6), a loop's counter (6.4). */
#ifndef DYNMON_LINUX_BPF_H
#define DYNMON_LINUX_BPF_H

#include_next <linux/bpf.h>
#include <linux/version.h>

#ifndef BPF_F_BEFORE /* it came with them */
#include <dynmon/tcx_verdicts.h>
#endif

#if LINUX_VERSION_CODE < 0x060400
#include <dynmon/iter_num.h>
#endif

#endif
