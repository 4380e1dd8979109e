/* The verdicts of a tcx program, for kernels and headers before Linux 6.6. */
#ifndef DYNMON_TCX_VERDICTS_H
#define DYNMON_TCX_VERDICTS_H

enum tcx_action_base {
	TCX_NEXT = -1,
	TCX_PASS = 0,
	TCX_DROP = 2,
	TCX_REDIRECT = 7,
};

#endif
