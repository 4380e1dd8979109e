#include <bpf/bpf_helpers.h>

#if defined(DYNMON_KERNEL_WORDS_H) && !defined(DYNMON_BPF_MAP_DEF)
/* How maps were declared when this header lay beside the kernel's samples; the loader says what to write today. */
#define DYNMON_BPF_MAP_DEF
struct bpf_map_def {
	unsigned int type;
	unsigned int key_size;
	unsigned int value_size;
	unsigned int max_entries;
	unsigned int map_flags;
};
#endif
