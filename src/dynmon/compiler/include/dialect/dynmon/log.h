/* Messages and packets for the daemon, through a ring buffer. Losing one when it is full never touches the packet. */
#ifndef DYNMON_LOG_H
#define DYNMON_LOG_H

#define LOG_TRACE 0
#define LOG_DEBUG 1
#define LOG_INFO 2
#define LOG_WARN 3
#define LOG_ERR 4
#define LOG_CRITICAL 5
#define LOG_OFF 6

#define DYNMON_RECORD_LOG 0
#define DYNMON_RECORD_PACKET 1
#define DYNMON_MAX_PACKET_BYTES 256
#define DYNMON_MAX_FORMAT_BYTES 512

struct dynmon_log_record {
	__u32 kind;
	__u32 cube_id;
	__u32 direction;
	__u32 level;
	__u64 time_ns;
	__u64 args[4];
	__u32 arg_count;
	__u32 format_bytes;
}; /* and the format's bytes, or the packet's */

/* One ring for all cubes: the daemon puts its own in this place. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 18);
} dynmon_log SEC(".maps") DYNMON_TAG("predefined");

static __always_inline void dynmon_fill_record(struct dynmon_log_record *record, __u32 kind, __u32 level)
{
	record->kind = kind;
	record->cube_id = dynmon_cube_id;
	record->direction = POLYCUBE_PROGRAM_TYPE;
	record->level = level;
	record->time_ns = bpf_ktime_get_ns();
}

#define DYNMON_FORMAT_MESSAGE(FORMAT, ...) FORMAT
#define DYNMON_ARGUMENT(...) DYNMON_PICK_ARGUMENT(__VA_ARGS__, , , , , )
#define DYNMON_PICK_ARGUMENT(FORMAT, A, B, C, D, ...) A, B, C, D
/* How many arguments follow the format; 99 for more than four. */
#define DYNMON_ARGUMENT_COUNT(...)                                                                             \
	DYNMON_PICK_COUNT(__VA_ARGS__, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 4, 3, 2, 1, 0, )
#define DYNMON_PICK_COUNT(_0, _1, _2, _3, _4, _5, _6, _7, _8, _9, _10, _11, _12, _13, _14, _15, N, ...) N

#define DYNMON_STORE_0(RECORD, FORMAT)
#define DYNMON_STORE_1(RECORD, FORMAT, A) RECORD.args[0] = (__u64)(A);
#define DYNMON_STORE_2(RECORD, FORMAT, A, B) DYNMON_STORE_1(RECORD, FORMAT, A) RECORD.args[1] = (__u64)(B);
#define DYNMON_STORE_3(RECORD, FORMAT, A, B, C)                                                                \
	DYNMON_STORE_2(RECORD, FORMAT, A, B) RECORD.args[2] = (__u64)(C);
#define DYNMON_STORE_4(RECORD, FORMAT, A, B, C, D)                                                             \
	DYNMON_STORE_3(RECORD, FORMAT, A, B, C) RECORD.args[3] = (__u64)(D);
#define DYNMON_STORE_99(RECORD, FORMAT, ...) _Static_assert(0, "pcn_log takes at most four arguments");
#define DYNMON_JOIN(A, B) DYNMON_JOIN_(A, B)
#define DYNMON_JOIN_(A, B) A##B

/*
 * pcn_log(ctx, LOG_INFO, "%I sent %d bytes", ip->saddr, length);
 *
 * The level is compared with a constant that the loader sets, so the verifier removes what is not to be said.
 */
#define pcn_log(CTX, LEVEL, ...)                                                                               \
	do {                                                                                                   \
		(void)(CTX);                                                                                   \
		_Static_assert(sizeof("" DYNMON_FORMAT_MESSAGE(__VA_ARGS__, )) <= DYNMON_MAX_FORMAT_BYTES,     \
			       "the format of pcn_log is longer than 511 bytes");                              \
		if ((LEVEL) >= dynmon_log_level) {                                                             \
			struct {                                                                               \
				struct dynmon_log_record record;                                               \
				char format[sizeof("" DYNMON_FORMAT_MESSAGE(__VA_ARGS__, ))];                  \
			} *dynmon_entry = bpf_ringbuf_reserve(&dynmon_log, sizeof(*dynmon_entry), 0);          \
			if (dynmon_entry) {                                                                    \
				struct {                                                                       \
					__u64 args[4];                                                         \
				} dynmon_values = {};                                                          \
				DYNMON_JOIN(DYNMON_STORE_, DYNMON_ARGUMENT_COUNT(__VA_ARGS__))                 \
				(dynmon_values, __VA_ARGS__)                                                   \
				dynmon_fill_record(&dynmon_entry->record, DYNMON_RECORD_LOG, LEVEL);           \
				__builtin_memcpy(dynmon_entry->record.args, dynmon_values.args,                \
						 sizeof(dynmon_values.args));                                  \
				dynmon_entry->record.arg_count = DYNMON_ARGUMENT_COUNT(__VA_ARGS__);           \
				dynmon_entry->record.format_bytes = sizeof(dynmon_entry->format) - 1;          \
				dynmon_copy_format(dynmon_entry->format,                                       \
						   "" DYNMON_FORMAT_MESSAGE(__VA_ARGS__, ),                    \
						   sizeof(dynmon_entry->format));                              \
				bpf_ringbuf_submit(dynmon_entry, 0);                                           \
			}                                                                                      \
		}                                                                                              \
	} while (0)

/* clang expands a copy of up to 128 units in place; longer ones it would call memcpy for, which is not there. */
static __always_inline void dynmon_copy_format(char *to, const char *from, const __u32 bytes)
{
	__builtin_memcpy(to, from, bytes);
}

static __always_inline int dynmon_send_packet(struct CTXTYPE *ctx, struct pkt_metadata *md, __u16 reason,
					      const __u32 words[3])
{
	struct {
		struct dynmon_log_record record;
		char bytes[DYNMON_MAX_PACKET_BYTES];
	} *entry = bpf_ringbuf_reserve(&dynmon_log, sizeof(*entry), 0);

	md->reason = reason;
	if (!entry)
		return RX_OK;
	dynmon_fill_record(&entry->record, DYNMON_RECORD_PACKET, 0);
	entry->record.args[0] = reason;
	entry->record.args[1] = md->packet_len;
	entry->record.args[2] = words[0] | (__u64)words[1] << 32;
	entry->record.args[3] = words[2];
	entry->record.arg_count = 4;
	entry->record.format_bytes = dynmon_copy_packet(ctx, entry->bytes, DYNMON_MAX_PACKET_BYTES);
	bpf_ringbuf_submit(entry, 0);
	return RX_OK;
}

/* Show the packet to the daemon. It passes all the same: the return value is RX_OK. */
static __always_inline int pcn_pkt_controller(struct CTXTYPE *ctx, struct pkt_metadata *md, u16 reason)
{
	const __u32 words[3] = {};

	return dynmon_send_packet(ctx, md, reason, words);
}

static __always_inline int pcn_pkt_controller_with_metadata(struct CTXTYPE *ctx, struct pkt_metadata *md,
							    u16 reason, u32 metadata[3])
{
	return dynmon_send_packet(ctx, md, reason, metadata);
}

static __always_inline int pcn_pkt_drop(struct CTXTYPE *ctx, struct pkt_metadata *md)
{
	return RX_DROP;
}

/* Nanoseconds since 1970, on the monotonic clock. */
static __always_inline uint64_t pcn_get_time_epoch(void)
{
	return dynmon_epoch_base + bpf_ktime_get_ns();
}

/* The original's words for what a transparent cube does not have. */
__attribute__((unavailable("a dynmon cube has no ports to redirect to")))
int pcn_pkt_redirect(struct CTXTYPE *ctx, struct pkt_metadata *md, u32 port);
__attribute__((unavailable("a dynmon cube has one program in each direction; use BPF_PROG_ARRAY for tail calls")))
int call_ingress_program(struct CTXTYPE *ctx, int index);
__attribute__((unavailable("a dynmon cube has one program in each direction; use BPF_PROG_ARRAY for tail calls")))
int call_egress_program(struct CTXTYPE *ctx, int index);
__attribute__((unavailable("a dynmon cube has one program in each direction; use BPF_PROG_ARRAY for tail calls")))
int call_ingress_program_with_metadata(struct CTXTYPE *ctx, struct pkt_metadata *md, int index);
__attribute__((unavailable("a dynmon cube has one program in each direction; use BPF_PROG_ARRAY for tail calls")))
int call_egress_program_with_metadata(struct CTXTYPE *ctx, struct pkt_metadata *md, int index);

#endif
