/* A loop's counter, for kernels and headers before Linux 6.4. */
#ifndef DYNMON_ITER_NUM_H
#define DYNMON_ITER_NUM_H

struct bpf_iter_num {
	__u64 __opaque[1];
} __attribute__((aligned(8)));

#endif
