#ifndef DYNMON_MAPS_H
#define DYNMON_MAPS_H

#define DYNMON_SELECT_4(a, b, c, d, NAME, ...) NAME

#define DYNMON_METHODS(NAME, KEY, LEAF)                                                                       \
	typedef __typeof__(KEY) dynmon_key_##NAME;                                                            \
	typedef __typeof__(LEAF) dynmon_leaf_##NAME;                                                          \
	static __always_inline dynmon_leaf_##NAME *dynmon_lookup_##NAME(dynmon_key_##NAME *key)               \
	{                                                                                                     \
		return bpf_map_lookup_elem(&dynmon_map_##NAME, key);                                          \
	}                                                                                                     \
	static const struct {                                                                                 \
		dynmon_leaf_##NAME *(*lookup)(dynmon_key_##NAME *);                                           \
	} NAME asm("dynmon." #NAME) __attribute__((unused)) = {dynmon_lookup_##NAME}

#define DYNMON_MAP(NAME, TYPE, KEY, LEAF, ENTRIES)                                                            \
	struct {                                                                                              \
		__uint(type, TYPE);                                                                           \
		__type(key, KEY);                                                                             \
		__type(value, LEAF);                                                                          \
		__uint(max_entries, ENTRIES);                                                                 \
	} dynmon_map_##NAME asm(#NAME) SEC(".maps")

#define BPF_ARRAY_1(NAME) BPF_ARRAY_3(NAME, u64, 10240)
#define BPF_ARRAY_2(NAME, LEAF) BPF_ARRAY_3(NAME, LEAF, 10240)
#define BPF_ARRAY_3(NAME, LEAF, ENTRIES)                                                                      \
	DYNMON_MAP(NAME, BPF_MAP_TYPE_ARRAY, int, LEAF, ENTRIES);                                             \
	DYNMON_METHODS(NAME, int, LEAF)
#define BPF_ARRAY(...) DYNMON_SELECT_4(__VA_ARGS__, , BPF_ARRAY_3, BPF_ARRAY_2, BPF_ARRAY_1)(__VA_ARGS__)

#endif
