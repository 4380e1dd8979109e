/*
 * Map macros. Each declares a map for libbpf under its own name as ELF symbol, and the methods of methods.h under
 * that name in C. What libbpf's map definition cannot say travels as BTF declaration tags, "dynmon:" and a word.
 */
#ifndef DYNMON_MAPS_H
#define DYNMON_MAPS_H

#include <dynmon/methods.h>

#define DYNMON_IS(TYPE, NAME) (__builtin_strcmp(TYPE, NAME) == 0)
/* "hash:/path" pins and "array_of_maps$INNER" names the inner map: the loader reads both in the tag. */
#define DYNMON_BEGINS(TYPE, NAME) (__builtin_strncmp(TYPE, NAME, sizeof(NAME) - 1) == 0)
#define DYNMON_KIND(TYPE, NAME) (DYNMON_IS(TYPE, NAME) || DYNMON_BEGINS(TYPE, NAME ":"))

#define DYNMON_MAP_TYPE(TYPE, KEY)                                                                             \
	(DYNMON_KIND(TYPE, "hash")              ? BPF_MAP_TYPE_HASH                                            \
	 : DYNMON_KIND(TYPE, "array")           ? BPF_MAP_TYPE_ARRAY                                           \
	 : DYNMON_KIND(TYPE, "percpu_hash")     ? BPF_MAP_TYPE_PERCPU_HASH                                     \
	 : DYNMON_KIND(TYPE, "percpu_array")    ? BPF_MAP_TYPE_PERCPU_ARRAY                                    \
	 : DYNMON_KIND(TYPE, "lru_hash")        ? BPF_MAP_TYPE_LRU_HASH                                        \
	 : DYNMON_KIND(TYPE, "lru_percpu_hash") ? BPF_MAP_TYPE_LRU_PERCPU_HASH                                 \
	 : DYNMON_KIND(TYPE, "lpm_trie")        ? BPF_MAP_TYPE_LPM_TRIE                                        \
	 : DYNMON_KIND(TYPE, "histogram")                                                                      \
		 ? (__builtin_types_compatible_p(KEY, int) ? BPF_MAP_TYPE_ARRAY : BPF_MAP_TYPE_HASH)           \
	 : DYNMON_KIND(TYPE, "queue")              ? BPF_MAP_TYPE_QUEUE                                        \
	 : DYNMON_KIND(TYPE, "stack")              ? BPF_MAP_TYPE_STACK                                        \
	 : DYNMON_KIND(TYPE, "prog")               ? BPF_MAP_TYPE_PROG_ARRAY                                   \
	 : DYNMON_KIND(TYPE, "perf_output")        ? BPF_MAP_TYPE_PERF_EVENT_ARRAY                             \
	 : DYNMON_KIND(TYPE, "perf_array")         ? BPF_MAP_TYPE_PERF_EVENT_ARRAY                             \
	 : DYNMON_KIND(TYPE, "ringbuf")            ? BPF_MAP_TYPE_RINGBUF                                      \
	 : DYNMON_KIND(TYPE, "stacktrace")         ? BPF_MAP_TYPE_STACK_TRACE                                  \
	 : DYNMON_KIND(TYPE, "cgroup_array")       ? BPF_MAP_TYPE_CGROUP_ARRAY                                 \
	 : DYNMON_KIND(TYPE, "devmap")             ? BPF_MAP_TYPE_DEVMAP                                       \
	 : DYNMON_KIND(TYPE, "cpumap")             ? BPF_MAP_TYPE_CPUMAP                                       \
	 : DYNMON_KIND(TYPE, "xskmap")             ? BPF_MAP_TYPE_XSKMAP                                       \
	 : DYNMON_BEGINS(TYPE, "hash_of_maps$")    ? BPF_MAP_TYPE_HASH_OF_MAPS                                 \
	 : DYNMON_BEGINS(TYPE, "array_of_maps$")   ? BPF_MAP_TYPE_ARRAY_OF_MAPS                                \
	 : DYNMON_KIND(TYPE, "sockmap")            ? BPF_MAP_TYPE_SOCKMAP                                      \
	 : DYNMON_KIND(TYPE, "sockhash")           ? BPF_MAP_TYPE_SOCKHASH                                     \
	 : DYNMON_KIND(TYPE, "sk_storage")         ? BPF_MAP_TYPE_SK_STORAGE                                   \
	 : DYNMON_KIND(TYPE, "inode_storage")      ? BPF_MAP_TYPE_INODE_STORAGE                                \
	 : DYNMON_KIND(TYPE, "task_storage")       ? BPF_MAP_TYPE_TASK_STORAGE                                 \
	 : DYNMON_KIND(TYPE, "cgroup_storage")     ? BPF_MAP_TYPE_CGROUP_STORAGE                               \
	 : DYNMON_KIND(TYPE, "percpu_cgroup_storage") ? BPF_MAP_TYPE_PERCPU_CGROUP_STORAGE                     \
	 : DYNMON_IS(TYPE, "extern")               ? BPF_MAP_TYPE_HASH /* the loader puts the real one there */ \
						   : 0)

/* Types that the kernel makes only with this flag. */
#define DYNMON_REQUIRED_FLAGS(NUMBER)                                                                          \
	(((NUMBER) == BPF_MAP_TYPE_LPM_TRIE || (NUMBER) == BPF_MAP_TYPE_SK_STORAGE ||                          \
	  (NUMBER) == BPF_MAP_TYPE_INODE_STORAGE || (NUMBER) == BPF_MAP_TYPE_TASK_STORAGE)                     \
		 ? BPF_F_NO_PREALLOC                                                                           \
		 : 0)

/* Types without keys, or without keys and values; the type in their place has no size. */
#define DYNMON_HAS_KEY(NUMBER)                                                                                 \
	((NUMBER) != BPF_MAP_TYPE_QUEUE && (NUMBER) != BPF_MAP_TYPE_STACK && (NUMBER) != BPF_MAP_TYPE_RINGBUF)

#define DYNMON_HAS_LEAF(NUMBER) ((NUMBER) != BPF_MAP_TYPE_RINGBUF)

struct dynmon_nothing {};

#define DYNMON_TAG(TEXT) __attribute__((btf_decl_tag("dynmon:" TEXT)))

#define DYNMON_MAP(TYPE, KEY, LEAF, NAME, ENTRIES, FLAGS, ...)                                                 \
	enum { dynmon_type_##NAME = DYNMON_MAP_TYPE(TYPE, KEY) };                                              \
	_Static_assert(dynmon_type_##NAME != 0, "unsupported map type " TYPE);                                 \
	struct {                                                                                               \
		__uint(type, dynmon_type_##NAME);                                                              \
		__typeof__(*__builtin_choose_expr(DYNMON_HAS_KEY(dynmon_type_##NAME), (KEY *)0,                \
						  (struct dynmon_nothing *)0)) *key;                           \
		__typeof__(*__builtin_choose_expr(DYNMON_HAS_LEAF(dynmon_type_##NAME), (LEAF *)0,              \
						  (struct dynmon_nothing *)0)) *value;                         \
		__uint(max_entries, ENTRIES);                                                                  \
		__uint(map_flags, (FLAGS) | DYNMON_REQUIRED_FLAGS(dynmon_type_##NAME));                        \
	} dynmon_map_##NAME asm(#NAME) SEC(".maps") DYNMON_TAG(TYPE) __VA_ARGS__

#define DYNMON_TABLE(TYPE, KEY, LEAF, NAME, ENTRIES, FLAGS, ...)                                               \
	DYNMON_MAP(TYPE, KEY, LEAF, NAME, ENTRIES, FLAGS, __VA_ARGS__);                                        \
	DYNMON_METHODS(NAME, KEY, LEAF, dynmon_type_##NAME == BPF_MAP_TYPE_HASH)

/* The first of many names, by the number of arguments. */
#define DYNMON_PICK(_1, _2, _3, _4, _5, _6, _7, NAME, ...) NAME

/* Any type, with and without flags. */
#define BPF_TABLE(TYPE, KEY, LEAF, NAME, ENTRIES) DYNMON_TABLE(TYPE, KEY, LEAF, NAME, ENTRIES, 0)
#define BPF_F_TABLE(TYPE, KEY, LEAF, NAME, ENTRIES, FLAGS) DYNMON_TABLE(TYPE, KEY, LEAF, NAME, ENTRIES, FLAGS)

/* Seen by the other direction's code of the cube, by every cube's, or found at a pin: as "extern" there. */
#define DYNMON_SHARED_5(TYPE, KEY, LEAF, NAME, ENTRIES) DYNMON_SHARED_6(TYPE, KEY, LEAF, NAME, ENTRIES, 0)
#define DYNMON_SHARED_6(TYPE, KEY, LEAF, NAME, ENTRIES, FLAGS)                                                 \
	DYNMON_TABLE(TYPE, KEY, LEAF, NAME, ENTRIES, FLAGS, DYNMON_TAG("shared"))
#define BPF_TABLE_SHARED(...)                                                                                  \
	DYNMON_PICK(__VA_ARGS__, , DYNMON_SHARED_6, DYNMON_SHARED_5, , , , , )(__VA_ARGS__)

#define DYNMON_PUBLIC_5(TYPE, KEY, LEAF, NAME, ENTRIES) DYNMON_PUBLIC_6(TYPE, KEY, LEAF, NAME, ENTRIES, 0)
#define DYNMON_PUBLIC_6(TYPE, KEY, LEAF, NAME, ENTRIES, FLAGS)                                                 \
	DYNMON_TABLE(TYPE, KEY, LEAF, NAME, ENTRIES, FLAGS, DYNMON_TAG("public"))
#define BPF_TABLE_PUBLIC(...)                                                                                  \
	DYNMON_PICK(__VA_ARGS__, , DYNMON_PUBLIC_6, DYNMON_PUBLIC_5, , , , , )(__VA_ARGS__)

#define DYNMON_PINNED_6(TYPE, KEY, LEAF, NAME, ENTRIES, PATH)                                                  \
	DYNMON_PINNED_7(TYPE, KEY, LEAF, NAME, ENTRIES, PATH, 0)
#define DYNMON_PINNED_7(TYPE, KEY, LEAF, NAME, ENTRIES, PATH, FLAGS)                                           \
	DYNMON_TABLE(TYPE, KEY, LEAF, NAME, ENTRIES, FLAGS, DYNMON_TAG("pinned:" PATH))
#define BPF_TABLE_PINNED(...)                                                                                  \
	DYNMON_PICK(__VA_ARGS__, DYNMON_PINNED_7, DYNMON_PINNED_6, , , , , , )(__VA_ARGS__)

/* Arrays, hashes, tries. */
#define DYNMON_ARRAY_1(NAME) DYNMON_ARRAY_3(NAME, u64, 10240)
#define DYNMON_ARRAY_2(NAME, LEAF) DYNMON_ARRAY_3(NAME, LEAF, 10240)
#define DYNMON_ARRAY_3(NAME, LEAF, ENTRIES) BPF_TABLE("array", int, LEAF, NAME, ENTRIES)
#define BPF_ARRAY(...)                                                                                         \
	DYNMON_PICK(__VA_ARGS__, , , , , DYNMON_ARRAY_3, DYNMON_ARRAY_2, DYNMON_ARRAY_1, )(__VA_ARGS__)

#define DYNMON_PERCPU_ARRAY_1(NAME) DYNMON_PERCPU_ARRAY_3(NAME, u64, 10240)
#define DYNMON_PERCPU_ARRAY_2(NAME, LEAF) DYNMON_PERCPU_ARRAY_3(NAME, LEAF, 10240)
#define DYNMON_PERCPU_ARRAY_3(NAME, LEAF, ENTRIES) BPF_TABLE("percpu_array", int, LEAF, NAME, ENTRIES)
#define BPF_PERCPU_ARRAY(...)                                                                                  \
	DYNMON_PICK(__VA_ARGS__, , , , , DYNMON_PERCPU_ARRAY_3, DYNMON_PERCPU_ARRAY_2, DYNMON_PERCPU_ARRAY_1, ) \
	(__VA_ARGS__)

#define DYNMON_HASH_1(NAME) DYNMON_HASH_4(NAME, u64, u64, 10240)
#define DYNMON_HASH_2(NAME, KEY) DYNMON_HASH_4(NAME, KEY, u64, 10240)
#define DYNMON_HASH_3(NAME, KEY, LEAF) DYNMON_HASH_4(NAME, KEY, LEAF, 10240)
#define DYNMON_HASH_4(NAME, KEY, LEAF, ENTRIES) BPF_TABLE("hash", KEY, LEAF, NAME, ENTRIES)
#define BPF_HASH(...)                                                                                          \
	DYNMON_PICK(__VA_ARGS__, , , , DYNMON_HASH_4, DYNMON_HASH_3, DYNMON_HASH_2, DYNMON_HASH_1, )(__VA_ARGS__)

#define DYNMON_PERCPU_HASH_1(NAME) DYNMON_PERCPU_HASH_4(NAME, u64, u64, 10240)
#define DYNMON_PERCPU_HASH_2(NAME, KEY) DYNMON_PERCPU_HASH_4(NAME, KEY, u64, 10240)
#define DYNMON_PERCPU_HASH_3(NAME, KEY, LEAF) DYNMON_PERCPU_HASH_4(NAME, KEY, LEAF, 10240)
#define DYNMON_PERCPU_HASH_4(NAME, KEY, LEAF, ENTRIES) BPF_TABLE("percpu_hash", KEY, LEAF, NAME, ENTRIES)
#define BPF_PERCPU_HASH(...)                                                                                   \
	DYNMON_PICK(__VA_ARGS__, , , , DYNMON_PERCPU_HASH_4, DYNMON_PERCPU_HASH_3, DYNMON_PERCPU_HASH_2,       \
		    DYNMON_PERCPU_HASH_1, )(__VA_ARGS__)

#define DYNMON_HISTOGRAM_1(NAME) DYNMON_HISTOGRAM_3(NAME, int, 64)
#define DYNMON_HISTOGRAM_2(NAME, KEY) DYNMON_HISTOGRAM_3(NAME, KEY, 64)
#define DYNMON_HISTOGRAM_3(NAME, KEY, ENTRIES) BPF_TABLE("histogram", KEY, u64, NAME, ENTRIES)
#define BPF_HISTOGRAM(...)                                                                                     \
	DYNMON_PICK(__VA_ARGS__, , , , , DYNMON_HISTOGRAM_3, DYNMON_HISTOGRAM_2, DYNMON_HISTOGRAM_1, )         \
	(__VA_ARGS__)

/*
 * A histogram for each set of labels. Bucket n counts values of n bits, so 7 those from 64 to 127; the last one also
 * what has more. The initial value is not on the stack, which has no room for it.
 */
#define DYNMON_LABELED_2(NAME, LABELS) DYNMON_LABELED_4(NAME, LABELS, 32, 10240)
#define DYNMON_LABELED_3(NAME, LABELS, BUCKETS) DYNMON_LABELED_4(NAME, LABELS, BUCKETS, 10240)
#define DYNMON_LABELED_4(NAME, LABELS, BUCKETS, ENTRIES)                                                       \
	_Static_assert((BUCKETS) >= 2 && (BUCKETS) <= 65, "a labeled histogram has 2 to 65 buckets");          \
	struct dynmon_observed_##NAME {                                                                        \
		u64 sum;                                                                                       \
		u64 buckets[BUCKETS];                                                                          \
	};                                                                                                     \
	DYNMON_MAP("hash", LABELS, struct dynmon_observed_##NAME, NAME, ENTRIES, 0);                           \
	DYNMON_OBSERVING_METHODS(NAME, LABELS, struct dynmon_observed_##NAME, BUCKETS)
#define BPF_LABELED_HISTOGRAM(...)                                                                             \
	DYNMON_PICK(__VA_ARGS__, , , , DYNMON_LABELED_4, DYNMON_LABELED_3, DYNMON_LABELED_2, , )(__VA_ARGS__)

#define DYNMON_LPM_TRIE_1(NAME) DYNMON_LPM_TRIE_4(NAME, u64, u64, 10240)
#define DYNMON_LPM_TRIE_2(NAME, KEY) DYNMON_LPM_TRIE_4(NAME, KEY, u64, 10240)
#define DYNMON_LPM_TRIE_3(NAME, KEY, LEAF) DYNMON_LPM_TRIE_4(NAME, KEY, LEAF, 10240)
#define DYNMON_LPM_TRIE_4(NAME, KEY, LEAF, ENTRIES) BPF_TABLE("lpm_trie", KEY, LEAF, NAME, ENTRIES)
#define BPF_LPM_TRIE(...)                                                                                      \
	DYNMON_PICK(__VA_ARGS__, , , , DYNMON_LPM_TRIE_4, DYNMON_LPM_TRIE_3, DYNMON_LPM_TRIE_2,                \
		    DYNMON_LPM_TRIE_1, )(__VA_ARGS__)

/* Queues and stacks: no keys. TYPE may be "extern" here too. */
#define BPF_QUEUESTACK(TYPE, NAME, LEAF, ENTRIES, FLAGS)                                                       \
	DYNMON_TABLE(TYPE, struct dynmon_nothing, LEAF, NAME, ENTRIES, FLAGS)
#define BPF_QUEUESTACK_SHARED(TYPE, NAME, LEAF, ENTRIES, FLAGS)                                                \
	DYNMON_TABLE(TYPE, struct dynmon_nothing, LEAF, NAME, ENTRIES, FLAGS, DYNMON_TAG("shared"))
#define BPF_QUEUESTACK_PUBLIC(TYPE, NAME, LEAF, ENTRIES, FLAGS)                                                \
	DYNMON_TABLE(TYPE, struct dynmon_nothing, LEAF, NAME, ENTRIES, FLAGS, DYNMON_TAG("public"))
#define BPF_QUEUESTACK_PINNED(TYPE, NAME, LEAF, ENTRIES, FLAGS, PATH)                                          \
	DYNMON_TABLE(TYPE, struct dynmon_nothing, LEAF, NAME, ENTRIES, FLAGS, DYNMON_TAG("pinned:" PATH))

#define DYNMON_QUEUE_3(NAME, LEAF, ENTRIES) BPF_QUEUESTACK("queue", NAME, LEAF, ENTRIES, 0)
#define DYNMON_QUEUE_4(NAME, LEAF, ENTRIES, FLAGS) BPF_QUEUESTACK("queue", NAME, LEAF, ENTRIES, FLAGS)
#define BPF_QUEUE(...) DYNMON_PICK(__VA_ARGS__, , , , DYNMON_QUEUE_4, DYNMON_QUEUE_3, , , )(__VA_ARGS__)

#define DYNMON_STACK_3(NAME, LEAF, ENTRIES) BPF_QUEUESTACK("stack", NAME, LEAF, ENTRIES, 0)
#define DYNMON_STACK_4(NAME, LEAF, ENTRIES, FLAGS) BPF_QUEUESTACK("stack", NAME, LEAF, ENTRIES, FLAGS)
#define BPF_STACK(...) DYNMON_PICK(__VA_ARGS__, , , , DYNMON_STACK_4, DYNMON_STACK_3, , , )(__VA_ARGS__)

/* Events for a reader in user space. libbpf gives a perf array of size 0 one entry for each CPU. */
#define BPF_PERF_OUTPUT(NAME) BPF_TABLE("perf_output", int, __u32, NAME, 0)
#define BPF_PERF_ARRAY(NAME, ENTRIES) BPF_TABLE("perf_array", int, __u32, NAME, ENTRIES)
#define BPF_RINGBUF_OUTPUT(NAME, PAGES) BPF_TABLE("ringbuf", int, int, NAME, (PAGES) * 4096)

/* Programs, interfaces, CPUs and sockets to go on to. */
#define BPF_PROG_ARRAY(NAME, ENTRIES) BPF_TABLE("prog", int, __u32, NAME, ENTRIES)
#define BPF_DEVMAP(NAME, ENTRIES) BPF_TABLE("devmap", int, int, NAME, ENTRIES)
#define BPF_CPUMAP(NAME, ENTRIES) BPF_TABLE("cpumap", int, __u32, NAME, ENTRIES)
#define DYNMON_XSKMAP_2(NAME, ENTRIES) BPF_TABLE("xskmap", int, int, NAME, ENTRIES)
#define DYNMON_XSKMAP_3(NAME, ENTRIES, PATH) BPF_TABLE_PINNED("xskmap", int, int, NAME, ENTRIES, PATH)
#define BPF_XSKMAP(...) DYNMON_PICK(__VA_ARGS__, , , , , DYNMON_XSKMAP_3, DYNMON_XSKMAP_2, , )(__VA_ARGS__)

#define BPF_SOCKMAP(NAME, ENTRIES) BPF_TABLE("sockmap", __u32, __u32, NAME, ENTRIES)
#define DYNMON_SOCKHASH_2(NAME, ENTRIES) BPF_TABLE("sockhash", __u32, __u32, NAME, ENTRIES)
#define DYNMON_SOCKHASH_3(NAME, KEY, ENTRIES) BPF_TABLE("sockhash", KEY, __u32, NAME, ENTRIES)
#define BPF_SOCKHASH(...) DYNMON_PICK(__VA_ARGS__, , , , , DYNMON_SOCKHASH_3, DYNMON_SOCKHASH_2, , )(__VA_ARGS__)

/* Maps of maps; INNER is the name of another map, as a string: the pattern of all that can be put inside. */
#define BPF_ARRAY_OF_MAPS(NAME, INNER, ENTRIES) BPF_TABLE("array_of_maps$" INNER, int, __u32, NAME, ENTRIES)
#define DYNMON_HASH_OF_MAPS_3(NAME, INNER, ENTRIES) DYNMON_HASH_OF_MAPS_4(NAME, int, INNER, ENTRIES)
#define DYNMON_HASH_OF_MAPS_4(NAME, KEY, INNER, ENTRIES)                                                       \
	BPF_TABLE("hash_of_maps$" INNER, KEY, __u32, NAME, ENTRIES)
#define BPF_HASH_OF_MAPS(...)                                                                                  \
	DYNMON_PICK(__VA_ARGS__, , , , DYNMON_HASH_OF_MAPS_4, DYNMON_HASH_OF_MAPS_3, , , )(__VA_ARGS__)

/* Stack traces, control groups, storage that belongs to a socket or a control group. */
struct dynmon_stack_trace {
	__u64 addresses[127];
};
struct dynmon_stack_trace_buildid {
	struct bpf_stack_build_id frames[127];
};
#define BPF_STACK_TRACE(NAME, ENTRIES) BPF_TABLE("stacktrace", int, struct dynmon_stack_trace, NAME, ENTRIES)
#define BPF_STACK_TRACE_BUILDID(NAME, ENTRIES)                                                                 \
	BPF_F_TABLE("stacktrace", int, struct dynmon_stack_trace_buildid, NAME, ENTRIES, BPF_F_STACK_BUILD_ID)
#define BPF_CGROUP_ARRAY(NAME, ENTRIES) BPF_TABLE("cgroup_array", int, __u32, NAME, ENTRIES)
#define BPF_SK_STORAGE(NAME, LEAF) BPF_TABLE("sk_storage", int, LEAF, NAME, 0)
#define BPF_CGROUP_STORAGE(NAME, LEAF)                                                                         \
	BPF_TABLE("cgroup_storage", struct bpf_cgroup_storage_key, LEAF, NAME, 0)
#define BPF_PERCPU_CGROUP_STORAGE(NAME, LEAF)                                                                  \
	BPF_TABLE("percpu_cgroup_storage", struct bpf_cgroup_storage_key, LEAF, NAME, 0)

#endif
