/* libbpf's, and words that its later releases have: code written for those compiles with any. */
#ifndef DYNMON_BPF_HELPERS_H
#define DYNMON_BPF_HELPERS_H

#include_next <bpf/bpf_helpers.h>

#ifndef bpf_ksym_exists
#define bpf_ksym_exists(symbol) (!!(symbol))
#endif
#ifndef __kptr_untrusted
#define __kptr_untrusted __attribute__((btf_type_tag("kptr_untrusted")))
#endif

/* What a function of its own, verified by itself, expects of its arguments. */
#ifndef __arg_ctx
#define __arg_ctx __attribute__((btf_decl_tag("arg:ctx")))
#define __arg_nonnull __attribute__((btf_decl_tag("arg:nonnull")))
#define __arg_nullable __attribute__((btf_decl_tag("arg:nullable")))
#define __arg_trusted __attribute__((btf_decl_tag("arg:trusted")))
#endif

/* Loops that the verifier goes through once (Linux 6.4). */
#ifndef bpf_for
struct bpf_iter_num;
extern int bpf_iter_num_new(struct bpf_iter_num *it, int start, int end) __weak __ksym;
extern int *bpf_iter_num_next(struct bpf_iter_num *it) __weak __ksym;
extern void bpf_iter_num_destroy(struct bpf_iter_num *it) __weak __ksym;

/* The third declaration calls no function: it lets clang keep the types of all three. */
#define DYNMON_NUMBERS(start, end)                                                                             \
	struct bpf_iter_num dynmon_it __attribute__((aligned(8), cleanup(bpf_iter_num_destroy))),              \
		*dynmon_at __attribute__((unused)) = (bpf_iter_num_new(&dynmon_it, (start), (end)),            \
						      (void)bpf_iter_num_destroy, (void *)0)
#define bpf_for(i, start, end)                                                                                 \
	for (DYNMON_NUMBERS(start, end); ({                                                                    \
		     int *dynmon_next = bpf_iter_num_next(&dynmon_it);                                         \
		     (dynmon_next && ((i) = *dynmon_next, (i) >= (start) && (i) < (end)));                     \
	     });)
#define bpf_repeat(times) for (DYNMON_NUMBERS(0, times); bpf_iter_num_next(&dynmon_it);)
#define bpf_for_each(type, item, args...)                                                                      \
	for (struct bpf_iter_##type dynmon_it                                                                  \
	     __attribute__((aligned(8), cleanup(bpf_iter_##type##_destroy))),                                  \
	     *dynmon_at __attribute__((unused)) = (bpf_iter_##type##_new(&dynmon_it, ##args),                  \
						   (void)bpf_iter_##type##_destroy, (void *)0);                \
	     ((item) = bpf_iter_##type##_next(&dynmon_it));)
#endif

#endif
