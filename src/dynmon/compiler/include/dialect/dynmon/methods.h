/*
 * The methods of every map, as functions and a constant struct of pointers to them. All maps have all methods, as
 * only the verifier knows which of them a type of map allows; those that are not called cost nothing.
 */
#ifndef DYNMON_METHODS_H
#define DYNMON_METHODS_H

#define DYNMON_E2BIG 7

/* 1 for a type that can be counted up, 0 for structs and the like. */
#define DYNMON_IS_NUMBER(TYPE)                                                                                 \
	(__builtin_classify_type(*(TYPE *)0) == 1 || __builtin_classify_type(*(TYPE *)0) == 3)

/* What a map has in place of `increment` when its leaf cannot be counted up; calling it is an error that names it. */
struct dynmon_the_leaf_is_not_an_integer;

/*
 * A C function pointer has no default arguments. The preprocessor picks by their number; a function or variable of
 * the user's that is called `increment` is renamed at every place alike, or not at all, and keeps working.
 */
#define DYNMON_PICK_SECOND(_1, _2, _3, _4, NAME, ...) NAME
#define increment(...)                                                                                         \
	DYNMON_PICK_SECOND(__VA_ARGS__, increment, increment, dynmon_increment_by, increment)(__VA_ARGS__)
#define atomic_increment(...)                                                                                  \
	DYNMON_PICK_SECOND(__VA_ARGS__, atomic_increment, atomic_increment, dynmon_atomic_increment_by,        \
			   atomic_increment)                                                                   \
	(__VA_ARGS__)

#define DYNMON_METHOD static __always_inline __attribute__((unused))

#define DYNMON_ENTRY_METHODS(NAME)                                                                             \
	DYNMON_METHOD dynmon_leaf_##NAME *dynmon_lookup_##NAME(const dynmon_key_##NAME *key)                   \
	{                                                                                                      \
		return bpf_map_lookup_elem(&dynmon_map_##NAME, key);                                           \
	}                                                                                                      \
	DYNMON_METHOD int dynmon_update_##NAME(const dynmon_key_##NAME *key, const dynmon_leaf_##NAME *leaf)   \
	{                                                                                                      \
		return bpf_map_update_elem(&dynmon_map_##NAME, key, leaf, BPF_ANY);                            \
	}                                                                                                      \
	DYNMON_METHOD int dynmon_insert_##NAME(const dynmon_key_##NAME *key, const dynmon_leaf_##NAME *leaf)   \
	{                                                                                                      \
		return bpf_map_update_elem(&dynmon_map_##NAME, key, leaf, BPF_NOEXIST);                        \
	}                                                                                                      \
	DYNMON_METHOD int dynmon_delete_##NAME(const dynmon_key_##NAME *key)                                   \
	{                                                                                                      \
		return bpf_map_delete_elem(&dynmon_map_##NAME, key);                                           \
	}                                                                                                      \
	DYNMON_METHOD dynmon_leaf_##NAME *dynmon_lookup_or_try_init_##NAME(const dynmon_key_##NAME *key,       \
									   const dynmon_leaf_##NAME *initial)  \
	{                                                                                                      \
		dynmon_leaf_##NAME *leaf = dynmon_lookup_##NAME(key);                                          \
                                                                                                               \
		if (leaf)                                                                                      \
			return leaf;                                                                           \
		dynmon_insert_##NAME(key, initial);                                                            \
		return dynmon_lookup_##NAME(key);                                                              \
	}                                                                                                      \
	/* Its users do not look for NULL: a full map gives them a leaf that nobody reads. */                  \
	static dynmon_leaf_##NAME dynmon_spare_##NAME __attribute__((unused));                                 \
	DYNMON_METHOD dynmon_leaf_##NAME *dynmon_lookup_or_init_##NAME(const dynmon_key_##NAME *key,           \
								       const dynmon_leaf_##NAME *initial)      \
	{                                                                                                      \
		dynmon_leaf_##NAME *leaf = dynmon_lookup_or_try_init_##NAME(key, initial);                     \
                                                                                                               \
		return leaf ? leaf : &dynmon_spare_##NAME;                                                     \
	}

#define DYNMON_INCREMENT_METHODS(NAME, KEY, LEAF, CREATES)                                                     \
	typedef __typeof__(*__builtin_choose_expr(DYNMON_IS_NUMBER(LEAF), (LEAF *)0, (u64 *)0))                \
		dynmon_number_##NAME;                                                                          \
	DYNMON_METHOD dynmon_number_##NAME *dynmon_counter_##NAME(dynmon_key_##NAME *key)                      \
	{                                                                                                      \
		dynmon_leaf_##NAME *leaf = dynmon_lookup_##NAME(key);                                          \
                                                                                                               \
		if (!leaf && (CREATES)) {                                                                      \
			dynmon_leaf_##NAME zero;                                                               \
			__builtin_memset(&zero, 0, sizeof(zero));                                              \
			dynmon_insert_##NAME(key, &zero);                                                      \
			leaf = dynmon_lookup_##NAME(key);                                                      \
		}                                                                                              \
		return (dynmon_number_##NAME *)leaf;                                                           \
	}                                                                                                      \
	DYNMON_METHOD void dynmon_increment_by_##NAME(dynmon_key_##NAME key, u64 amount)                       \
	{                                                                                                      \
		dynmon_number_##NAME *counter = dynmon_counter_##NAME(&key);                                   \
                                                                                                               \
		if (counter)                                                                                   \
			*counter += amount;                                                                    \
	}                                                                                                      \
	DYNMON_METHOD void dynmon_increment_##NAME(dynmon_key_##NAME key)                                      \
	{                                                                                                      \
		dynmon_increment_by_##NAME(key, 1);                                                            \
	}                                                                                                      \
	DYNMON_METHOD void dynmon_atomic_increment_by_##NAME(dynmon_key_##NAME key, u64 amount)                \
	{                                                                                                      \
		dynmon_number_##NAME *counter = dynmon_counter_##NAME(&key);                                   \
                                                                                                               \
		if (counter)                                                                                   \
			(void)__sync_fetch_and_add(counter, amount);                                           \
	}                                                                                                      \
	DYNMON_METHOD void dynmon_atomic_increment_##NAME(dynmon_key_##NAME key)                               \
	{                                                                                                      \
		dynmon_atomic_increment_by_##NAME(key, 1);                                                     \
	}

#define DYNMON_QUEUE_METHODS(NAME)                                                                             \
	DYNMON_METHOD int dynmon_push_##NAME(const dynmon_leaf_##NAME *leaf, u64 flags)                        \
	{                                                                                                      \
		return bpf_map_push_elem(&dynmon_map_##NAME, leaf, flags);                                     \
	}                                                                                                      \
	DYNMON_METHOD int dynmon_pop_##NAME(dynmon_leaf_##NAME *leaf)                                          \
	{                                                                                                      \
		return bpf_map_pop_elem(&dynmon_map_##NAME, leaf);                                             \
	}                                                                                                      \
	DYNMON_METHOD int dynmon_peek_##NAME(dynmon_leaf_##NAME *leaf)                                         \
	{                                                                                                      \
		return bpf_map_peek_elem(&dynmon_map_##NAME, leaf);                                            \
	}

#define DYNMON_EVENT_METHODS(NAME)                                                                             \
	DYNMON_METHOD int dynmon_perf_submit_##NAME(void *ctx, void *data, u64 size)                           \
	{                                                                                                      \
		return bpf_perf_event_output(ctx, &dynmon_map_##NAME, BPF_F_CURRENT_CPU, data, size);          \
	}                                                                                                      \
	DYNMON_METHOD int dynmon_perf_submit_skb_##NAME(void *ctx, u32 length, void *data, u64 size)           \
	{                                                                                                      \
		return bpf_perf_event_output(ctx, &dynmon_map_##NAME, (u64)length << 32 | BPF_F_CURRENT_CPU,   \
					     data, size);                                                      \
	}                                                                                                      \
	DYNMON_METHOD u64 dynmon_perf_read_##NAME(u64 index)                                                   \
	{                                                                                                      \
		return bpf_perf_event_read(&dynmon_map_##NAME, index);                                         \
	}                                                                                                      \
	DYNMON_METHOD int dynmon_perf_counter_value_##NAME(u64 index, void *buffer, u32 size)                  \
	{                                                                                                      \
		return bpf_perf_event_read_value(&dynmon_map_##NAME, index, buffer, size);                     \
	}                                                                                                      \
	DYNMON_METHOD int dynmon_ringbuf_output_##NAME(void *data, u64 size, u64 flags)                        \
	{                                                                                                      \
		return bpf_ringbuf_output(&dynmon_map_##NAME, data, size, flags);                              \
	}                                                                                                      \
	DYNMON_METHOD void *dynmon_ringbuf_reserve_##NAME(u64 size)                                            \
	{                                                                                                      \
		return bpf_ringbuf_reserve(&dynmon_map_##NAME, size, 0);                                       \
	}                                                                                                      \
	DYNMON_METHOD void dynmon_ringbuf_submit_##NAME(void *data, u64 flags)                                 \
	{                                                                                                      \
		bpf_ringbuf_submit(data, flags);                                                               \
	}                                                                                                      \
	DYNMON_METHOD void dynmon_ringbuf_discard_##NAME(void *data, u64 flags)                                \
	{                                                                                                      \
		bpf_ringbuf_discard(data, flags);                                                              \
	}                                                                                                      \
	DYNMON_METHOD u64 dynmon_ringbuf_query_##NAME(u64 flags)                                               \
	{                                                                                                      \
		return bpf_ringbuf_query(&dynmon_map_##NAME, flags);                                           \
	}

#define DYNMON_TARGET_METHODS(NAME)                                                                            \
	DYNMON_METHOD void dynmon_call_##NAME(void *ctx, u32 index)                                            \
	{                                                                                                      \
		bpf_tail_call(ctx, &dynmon_map_##NAME, index);                                                 \
	}                                                                                                      \
	DYNMON_METHOD int dynmon_redirect_map_##NAME(u32 index, u64 flags)                                     \
	{                                                                                                      \
		return bpf_redirect_map(&dynmon_map_##NAME, index, flags);                                     \
	}                                                                                                      \
	DYNMON_METHOD int dynmon_get_stackid_##NAME(void *ctx, u64 flags)                                      \
	{                                                                                                      \
		return bpf_get_stackid(ctx, &dynmon_map_##NAME, flags);                                        \
	}                                                                                                      \
	DYNMON_METHOD int dynmon_check_current_task_##NAME(u32 index)                                          \
	{                                                                                                      \
		return bpf_current_task_under_cgroup(&dynmon_map_##NAME, index);                               \
	}                                                                                                      \
	DYNMON_METHOD int dynmon_sock_map_update_##NAME(void *ctx, dynmon_key_##NAME *key, u64 flags)          \
	{                                                                                                      \
		return bpf_sock_map_update(ctx, &dynmon_map_##NAME, key, flags);                               \
	}                                                                                                      \
	DYNMON_METHOD int dynmon_sock_hash_update_##NAME(void *ctx, dynmon_key_##NAME *key, u64 flags)         \
	{                                                                                                      \
		return bpf_sock_hash_update(ctx, &dynmon_map_##NAME, key, flags);                              \
	}                                                                                                      \
	DYNMON_METHOD int dynmon_sk_redirect_map_##NAME(void *ctx, u32 index, u64 flags)                       \
	{                                                                                                      \
		return bpf_sk_redirect_map(ctx, &dynmon_map_##NAME, index, flags);                             \
	}                                                                                                      \
	DYNMON_METHOD int dynmon_sk_redirect_hash_##NAME(void *ctx, dynmon_key_##NAME *key, u64 flags)         \
	{                                                                                                      \
		return bpf_sk_redirect_hash(ctx, &dynmon_map_##NAME, key, flags);                              \
	}                                                                                                      \
	DYNMON_METHOD int dynmon_msg_redirect_map_##NAME(void *ctx, u32 index, u64 flags)                      \
	{                                                                                                      \
		return bpf_msg_redirect_map(ctx, &dynmon_map_##NAME, index, flags);                            \
	}                                                                                                      \
	DYNMON_METHOD int dynmon_msg_redirect_hash_##NAME(void *ctx, dynmon_key_##NAME *key, u64 flags)        \
	{                                                                                                      \
		return bpf_msg_redirect_hash(ctx, &dynmon_map_##NAME, key, flags);                             \
	}                                                                                                      \
	DYNMON_METHOD dynmon_leaf_##NAME *dynmon_sk_storage_get_##NAME(void *sk, void *value, u64 flags)       \
	{                                                                                                      \
		return bpf_sk_storage_get(&dynmon_map_##NAME, sk, value, flags);                               \
	}                                                                                                      \
	DYNMON_METHOD int dynmon_sk_storage_delete_##NAME(void *sk)                                            \
	{                                                                                                      \
		return bpf_sk_storage_delete(&dynmon_map_##NAME, sk);                                          \
	}                                                                                                      \
	DYNMON_METHOD dynmon_leaf_##NAME *dynmon_get_local_storage_##NAME(u64 flags)                           \
	{                                                                                                      \
		return bpf_get_local_storage(&dynmon_map_##NAME, flags);                                       \
	}

/* The struct below, written once for its members and once for their values. */
#define DYNMON_POINTER(NAME, METHOD) __typeof__(&dynmon_##METHOD##_##NAME) METHOD;
#define DYNMON_VALUE(NAME, METHOD) .METHOD = dynmon_##METHOD##_##NAME,
#define DYNMON_COUNTING_POINTER(NAME, METHOD, LEAF)                                                            \
	__typeof__(__builtin_choose_expr(DYNMON_IS_NUMBER(LEAF), &dynmon_##METHOD##_##NAME,                    \
					 (struct dynmon_the_leaf_is_not_an_integer *)0))

#define DYNMON_EACH_METHOD(NAME, DO)                                                                           \
	DO(NAME, lookup) DO(NAME, lookup_or_try_init) DO(NAME, lookup_or_init) DO(NAME, update)                \
	DO(NAME, insert) DO(NAME, delete) DO(NAME, push) DO(NAME, pop) DO(NAME, peek)                          \
	DO(NAME, perf_submit) DO(NAME, perf_submit_skb) DO(NAME, perf_read)                                    \
	DO(NAME, perf_counter_value) DO(NAME, ringbuf_output) DO(NAME, ringbuf_reserve)                        \
	DO(NAME, ringbuf_submit) DO(NAME, ringbuf_discard) DO(NAME, ringbuf_query) DO(NAME, call)              \
	DO(NAME, redirect_map) DO(NAME, get_stackid) DO(NAME, check_current_task)                              \
	DO(NAME, sock_map_update) DO(NAME, sock_hash_update) DO(NAME, sk_redirect_map)                         \
	DO(NAME, sk_redirect_hash) DO(NAME, msg_redirect_map) DO(NAME, msg_redirect_hash)                      \
	DO(NAME, sk_storage_get) DO(NAME, sk_storage_delete) DO(NAME, get_local_storage)

#define DYNMON_METHODS(NAME, KEY, LEAF, CREATES)                                                               \
	typedef __typeof__(KEY) dynmon_key_##NAME;                                                             \
	typedef __typeof__(LEAF) dynmon_leaf_##NAME;                                                           \
	DYNMON_ENTRY_METHODS(NAME)                                                                             \
	DYNMON_INCREMENT_METHODS(NAME, KEY, LEAF, CREATES)                                                     \
	DYNMON_QUEUE_METHODS(NAME)                                                                             \
	DYNMON_EVENT_METHODS(NAME)                                                                             \
	DYNMON_TARGET_METHODS(NAME)                                                                            \
	static const struct {                                                                                  \
		DYNMON_EACH_METHOD(NAME, DYNMON_POINTER)                                                       \
		DYNMON_COUNTING_POINTER(NAME, increment, LEAF) increment;                                      \
		DYNMON_COUNTING_POINTER(NAME, increment_by, LEAF) dynmon_increment_by;                         \
		DYNMON_COUNTING_POINTER(NAME, atomic_increment, LEAF) atomic_increment;                        \
		DYNMON_COUNTING_POINTER(NAME, atomic_increment_by, LEAF) dynmon_atomic_increment_by;           \
	} NAME asm("dynmon." #NAME) __attribute__((unused)) = {                                                \
		DYNMON_EACH_METHOD(NAME, DYNMON_VALUE)                                                         \
		/* Through void *, as the type of the member is another when the leaf cannot be counted up. */ \
		.increment = (void *)dynmon_increment_##NAME,                                                  \
		.dynmon_increment_by = (void *)dynmon_increment_by_##NAME,                                     \
		.atomic_increment = (void *)dynmon_atomic_increment_##NAME,                                    \
		.dynmon_atomic_increment_by = (void *)dynmon_atomic_increment_by_##NAME,                       \
	}

/* What a histogram with labels has: an observation is one look for its labels and two additions. */
#define DYNMON_OBSERVING_METHODS(NAME, LABELS, LEAF, BUCKETS)                                                  \
	typedef __typeof__(LABELS) dynmon_key_##NAME;                                                          \
	typedef LEAF dynmon_leaf_##NAME;                                                                       \
	DYNMON_ENTRY_METHODS(NAME)                                                                             \
	static dynmon_leaf_##NAME dynmon_nothing_##NAME __attribute__((unused));                               \
	DYNMON_METHOD int dynmon_observe_##NAME(const dynmon_key_##NAME *labels, u64 value)                    \
	{                                                                                                      \
		dynmon_leaf_##NAME *leaf = dynmon_lookup_or_try_init_##NAME(labels, &dynmon_nothing_##NAME);   \
		u32 bits = value ? dynmon_log2(value) + 1 : 0;                                                 \
                                                                                                               \
		if (!leaf)                                                                                     \
			return -DYNMON_E2BIG;                                                                  \
		if (bits >= (BUCKETS))                                                                         \
			bits = (BUCKETS)-1;                                                                    \
		(void)__sync_fetch_and_add(&leaf->buckets[bits], 1);                                           \
		(void)__sync_fetch_and_add(&leaf->sum, value);                                                 \
		return 0;                                                                                      \
	}                                                                                                      \
	static const struct {                                                                                  \
		DYNMON_POINTER(NAME, lookup) DYNMON_POINTER(NAME, delete) DYNMON_POINTER(NAME, observe)        \
	} NAME asm("dynmon." #NAME) __attribute__((unused)) = {                                                \
		DYNMON_VALUE(NAME, lookup) DYNMON_VALUE(NAME, delete) DYNMON_VALUE(NAME, observe)              \
	}

#endif
