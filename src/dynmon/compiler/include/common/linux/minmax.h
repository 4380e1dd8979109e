/* The smaller and the larger of two values. */
#ifndef DYNMON_LINUX_MINMAX_H
#define DYNMON_LINUX_MINMAX_H

#define min(a, b)                                                                                              \
	({                                                                                                     \
		__typeof__(a) dynmon_a = (a);                                                                  \
		__typeof__(b) dynmon_b = (b);                                                                  \
		dynmon_a < dynmon_b ? dynmon_a : dynmon_b;                                                     \
	})
#define max(a, b)                                                                                              \
	({                                                                                                     \
		__typeof__(a) dynmon_a = (a);                                                                  \
		__typeof__(b) dynmon_b = (b);                                                                  \
		dynmon_a > dynmon_b ? dynmon_a : dynmon_b;                                                     \
	})
#define min_t(type, a, b) min((type)(a), (type)(b))
#define max_t(type, a, b) max((type)(a), (type)(b))

#endif
