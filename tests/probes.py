"""Code that counts packets, for tests of what becomes of the numbers."""

# All of them in PACKETS, by length in SIZES; the last length in LAST.
PACKETS_AND_SIZES = """
BPF_ARRAY(PACKETS, u64, 1);
BPF_ARRAY(LAST, u32, 1);
BPF_HASH(SIZES, u32, u64, 32);
static __always_inline int handle_rx(struct CTXTYPE *ctx, struct pkt_metadata *md)
{
	unsigned int zero = 0;
	u32 size = md->packet_len;
	u64 none = 0, *seen, *count = PACKETS.lookup(&zero);

	if (count)
		__sync_fetch_and_add(count, 1);
	LAST.update(&zero, &size);
	seen = SIZES.lookup_or_try_init(&size, &none);
	if (seen)
		__sync_fetch_and_add(seen, 1);
	return RX_OK;
}
"""

# What each flow has, a histogram of lengths for each, and the sum and count of them all.
FLOWS_AND_LENGTHS = """
struct flow { __be32 saddr; u8 protocol; u8 pad[3]; };
struct traffic { u64 packets, bytes, last_seen; };
struct total { u64 sum, count; };
BPF_HASH(FLOWS, struct flow, struct traffic, 64);
BPF_LABELED_HISTOGRAM(LENGTHS, struct flow, 12);
BPF_ARRAY(TOTAL, struct total, 1);
static __always_inline int handle_rx(struct CTXTYPE *ctx, struct pkt_metadata *md)
{
	struct flow flow = { .saddr = bpf_htonl(0x0a010001), .protocol = 17 };
	struct traffic none = {}, *traffic = FLOWS.lookup_or_try_init(&flow, &none);
	unsigned int zero = 0;
	struct total *total = TOTAL.lookup(&zero);

	LENGTHS.observe(&flow, md->packet_len);
	if (traffic) {
		__sync_fetch_and_add(&traffic->packets, 1);
		__sync_fetch_and_add(&traffic->bytes, md->packet_len);
		traffic->last_seen = bpf_ktime_get_ns();
	}
	if (total) {
		__sync_fetch_and_add(&total->sum, md->packet_len);
		__sync_fetch_and_add(&total->count, 1);
	}
	return RX_OK;
}
"""
# They are exported with nothing but their types; only the unit of lengths is said.
FLOWS_AND_LENGTHS_METRICS = [
    {"name": "flows", "map-name": "FLOWS", "open-metrics-metadata": {"type": "counter", "help": "Traffic"}},
    {
        "name": "lengths",
        "map-name": "LENGTHS",
        "open-metrics-metadata": {"type": "histogram", "help": "Lengths", "unit": "bytes"},
    },
    {
        "name": "all",
        "map-name": "TOTAL",
        "open-metrics-metadata": {"type": "summary", "help": "All lengths", "unit": "bytes"},
    },
]
