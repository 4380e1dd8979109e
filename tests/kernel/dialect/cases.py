"""One small program for every macro, method and helper of the dialect."""

from __future__ import annotations

from dataclasses import dataclass

from dynmon.models import Hook

BOTH = (Hook.TC, Hook.XDP)
TC = (Hook.TC,)
XDP = (Hook.XDP,)

PRELUDE = """
struct flow { u32 saddr; u32 daddr; u16 sport; u16 dport; };
struct totals { u64 packets; u64 bytes; };
struct prefix { u32 prefixlen; u32 address; };
"""
BODY = """
static __always_inline int handle_rx(struct CTXTYPE *ctx, struct pkt_metadata *md) {{
	int key = 0;
	u64 value = 1;
	struct flow flow = {{}};
	struct totals totals = {{}};
	struct prefix prefix = {{.prefixlen = 32}};
	{statement}
	return RX_OK;
}}
"""


@dataclass(frozen=True)
class Case:
    """A program: what it declares, what its handler does, and where it can run."""

    name: str
    declaration: str
    statement: str = ""
    hooks: tuple[Hook, ...] = BOTH

    @property
    def source(self) -> str:
        return PRELUDE + self.declaration + BODY.format(statement=self.statement)


LOOKUP = "u64 *leaf = M.lookup(&key); if (leaf) *leaf += 1;"
SHORTCUTS = [
    Case("BPF_ARRAY-1", "BPF_ARRAY(M);", LOOKUP),
    Case("BPF_ARRAY-2", "BPF_ARRAY(M, u64);", LOOKUP),
    Case("BPF_ARRAY-3", "BPF_ARRAY(M, uint64_t, 1);", LOOKUP),
    Case("BPF_PERCPU_ARRAY-1", "BPF_PERCPU_ARRAY(M);", LOOKUP),
    Case("BPF_PERCPU_ARRAY-2", "BPF_PERCPU_ARRAY(M, u64);", LOOKUP),
    Case("BPF_PERCPU_ARRAY-3", "BPF_PERCPU_ARRAY(M, u64, 8);", LOOKUP),
    Case("BPF_HASH-1", "BPF_HASH(M);", "M.increment(value);"),
    Case("BPF_HASH-2", "BPF_HASH(M, u32);", "M.increment(key);"),
    Case("BPF_HASH-3", "BPF_HASH(M, struct flow, struct totals);", "M.update(&flow, &totals);"),
    Case("BPF_HASH-4", "BPF_HASH(M, struct flow, u64, 7);", "M.increment(flow);"),
    Case("BPF_PERCPU_HASH-1", "BPF_PERCPU_HASH(M);", "M.update(&value, &value);"),
    Case("BPF_PERCPU_HASH-2", "BPF_PERCPU_HASH(M, u32);", "M.update(&key, &value);"),
    Case("BPF_PERCPU_HASH-3", "BPF_PERCPU_HASH(M, u32, u64);", "M.update(&key, &value);"),
    Case("BPF_PERCPU_HASH-4", "BPF_PERCPU_HASH(M, u32, u64, 9);", "M.update(&key, &value);"),
    Case("BPF_HISTOGRAM-1", "BPF_HISTOGRAM(M);", "M.increment(bpf_log2l(md->packet_len));"),
    Case("BPF_HISTOGRAM-2", "BPF_HISTOGRAM(M, struct flow);", "M.increment(flow);"),
    Case("BPF_HISTOGRAM-3", "BPF_HISTOGRAM(M, u32, 8);", "M.increment(3, 2);"),
    Case("BPF_LABELED_HISTOGRAM-2", "BPF_LABELED_HISTOGRAM(M, struct flow);", "M.observe(&flow, md->packet_len);"),
    Case("BPF_LABELED_HISTOGRAM-3", "BPF_LABELED_HISTOGRAM(M, u32, 65);", "M.observe(&key, value); M.delete(&key);"),
    Case("BPF_LABELED_HISTOGRAM-4", "BPF_LABELED_HISTOGRAM(M, u64, 2, 9);", "if (M.lookup(&value)) value = 1;"),
    Case("BPF_LPM_TRIE-1", "BPF_LPM_TRIE(M);", "M.lookup(&value);"),
    Case("BPF_LPM_TRIE-2", "BPF_LPM_TRIE(M, struct prefix);", "M.lookup(&prefix);"),
    Case("BPF_LPM_TRIE-3", "BPF_LPM_TRIE(M, struct prefix, u32);", "M.lookup(&prefix);"),
    Case("BPF_LPM_TRIE-4", "BPF_LPM_TRIE(M, struct prefix, u32, 3);", "M.lookup(&prefix);"),
    Case("BPF_QUEUE-3", "BPF_QUEUE(M, u64, 4);", "M.push(&value, 0);"),
    Case("BPF_QUEUE-4", "BPF_QUEUE(M, u64, 4, 0);", "M.push(&value, BPF_EXIST);"),
    Case("BPF_STACK-3", "BPF_STACK(M, u64, 4);", "M.pop(&value);"),
    Case("BPF_STACK-4", "BPF_STACK(M, u64, 4, 0);", "M.peek(&value);"),
    Case("BPF_QUEUESTACK-queue", 'BPF_QUEUESTACK("queue", M, struct flow, 4, 0);', "M.push(&flow, 0);"),
    Case("BPF_QUEUESTACK-stack", 'BPF_QUEUESTACK("stack", M, struct flow, 4, 0);', "M.push(&flow, 0);"),
    Case("BPF_QUEUESTACK_SHARED", 'BPF_QUEUESTACK_SHARED("queue", M, u64, 4, 0);', "M.push(&value, 0);"),
    Case("BPF_QUEUESTACK_PUBLIC", 'BPF_QUEUESTACK_PUBLIC("stack", M, u64, 4, 0);', "M.push(&value, 0);"),
    Case("BPF_PERF_OUTPUT", "BPF_PERF_OUTPUT(M);", "M.perf_submit(ctx, &value, sizeof(value));"),
    Case("BPF_PERF_ARRAY", "BPF_PERF_ARRAY(M, 4);", "M.perf_submit(ctx, &value, sizeof(value));"),
    Case("BPF_RINGBUF_OUTPUT", "BPF_RINGBUF_OUTPUT(M, 4);", "M.ringbuf_output(&value, sizeof(value), 0);"),
    Case("BPF_PROG_ARRAY", "BPF_PROG_ARRAY(M, 4);", "M.call(ctx, 1);"),
    Case("BPF_DEVMAP", "BPF_DEVMAP(M, 4);", "return M.redirect_map(1, 0);", XDP),
    Case("BPF_CPUMAP", "BPF_CPUMAP(M, 1);", "return M.redirect_map(0, 0);", XDP),
    Case("BPF_XSKMAP-2", "BPF_XSKMAP(M, 4);", "return M.redirect_map(0, 0);", XDP),
    Case("BPF_SOCKMAP", "BPF_SOCKMAP(M, 4);"),
    Case("BPF_SOCKHASH-2", "BPF_SOCKHASH(M, 4);"),
    Case("BPF_SOCKHASH-3", "BPF_SOCKHASH(M, struct flow, 4);"),
    Case("BPF_STACK_TRACE", "BPF_STACK_TRACE(M, 16);"),
    Case("BPF_STACK_TRACE_BUILDID", "BPF_STACK_TRACE_BUILDID(M, 16);"),
    Case("BPF_CGROUP_ARRAY", "BPF_CGROUP_ARRAY(M, 4);"),
    Case("BPF_SK_STORAGE", "BPF_SK_STORAGE(M, u64);"),
    Case("BPF_CGROUP_STORAGE", "BPF_CGROUP_STORAGE(M, u64);"),
    Case("BPF_PERCPU_CGROUP_STORAGE", "BPF_PERCPU_CGROUP_STORAGE(M, u64);"),
]

KEYED = ("hash", "array", "percpu_hash", "percpu_array", "lru_hash", "lru_percpu_hash", "histogram")
TABLES = [
    *(Case(f"BPF_TABLE-{kind}", f'BPF_TABLE("{kind}", int, u64, M, 8);', LOOKUP) for kind in KEYED),
    Case("BPF_TABLE-histogram-hash", 'BPF_TABLE("histogram", struct flow, u64, M, 8);', "M.increment(flow);"),
    Case("BPF_TABLE-lpm_trie", 'BPF_TABLE("lpm_trie", struct prefix, u64, M, 8);', "M.lookup(&prefix);"),
    Case("BPF_TABLE-queue", 'BPF_TABLE("queue", int, u64, M, 8);', "M.pop(&value);"),
    Case("BPF_TABLE-stack", 'BPF_TABLE("stack", int, u64, M, 8);', "M.pop(&value);"),
    *(
        Case(f"BPF_TABLE-{kind}", f'BPF_TABLE("{kind}", int, u32, M, 8);')
        for kind in ("prog", "perf_output", "perf_array", "cgroup_array", "devmap", "cpumap", "xskmap", "sockmap")
    ),
    Case("BPF_TABLE-ringbuf", 'BPF_TABLE("ringbuf", int, u32, M, 4096);', "M.ringbuf_output(&key, 4, 0);"),
    Case("BPF_TABLE-sockhash", 'BPF_TABLE("sockhash", struct flow, u32, M, 8);'),
    Case("BPF_TABLE-stacktrace", 'BPF_TABLE("stacktrace", int, struct dynmon_stack_trace, M, 8);'),
    *(
        Case(f"BPF_TABLE-{kind}", f'BPF_TABLE("{kind}", int, u64, M, 0);')
        for kind in ("sk_storage", "inode_storage", "task_storage")
    ),
    *(
        Case(f"BPF_TABLE-{kind}", f'BPF_TABLE("{kind}", struct bpf_cgroup_storage_key, u64, M, 0);')
        for kind in ("cgroup_storage", "percpu_cgroup_storage")
    ),
    Case("BPF_F_TABLE", 'BPF_F_TABLE("hash", int, u64, M, 8, BPF_F_NO_PREALLOC);', LOOKUP),
    Case("BPF_TABLE_SHARED-5", 'BPF_TABLE_SHARED("hash", int, u64, M, 8);', LOOKUP),
    Case("BPF_TABLE_SHARED-6", 'BPF_TABLE_SHARED("hash", int, u64, M, 8, BPF_F_NO_PREALLOC);', LOOKUP),
    Case("BPF_TABLE_PUBLIC-5", 'BPF_TABLE_PUBLIC("array", int, u64, M, 8);', LOOKUP),
    Case("BPF_TABLE_PUBLIC-6", 'BPF_TABLE_PUBLIC("hash", int, u64, M, 8, BPF_F_NO_PREALLOC);', LOOKUP),
]

# The loader needs something to put in their place: a map of another object, or one that is pinned.
OFFERED = [
    (
        Case("extern-hash", 'BPF_TABLE_SHARED("hash", int, u64, M, 8);', LOOKUP),
        Case("BPF_TABLE-extern", 'BPF_TABLE("extern", int, u64, M, 0);', LOOKUP),
    ),
    (
        Case("extern-array", 'BPF_TABLE_PUBLIC("array", int, u64, M, 8);', LOOKUP),
        Case("BPF_TABLE-extern-array", 'BPF_TABLE("extern", int, u64, M, 0);', "M.increment(key);"),
    ),
    (
        Case("extern-queue", 'BPF_QUEUESTACK_SHARED("queue", M, u64, 8, 0);', "M.push(&value, 0);"),
        Case("BPF_QUEUESTACK-extern", 'BPF_QUEUESTACK("extern", M, u64, 0, 0);', "M.pop(&value);"),
    ),
]
PINNED = [
    Case("BPF_TABLE_PINNED-6", 'BPF_TABLE_PINNED("hash", int, u64, M, 8, "{pin}");', LOOKUP),
    Case("BPF_TABLE-pinned", 'BPF_TABLE("hash:{pin}", int, u64, M, 8);', LOOKUP),
    Case("BPF_TABLE_PINNED-7", 'BPF_TABLE_PINNED("hash", int, u64, M, 8, "{pin}", 0);', LOOKUP),
    Case("BPF_QUEUESTACK_PINNED", 'BPF_QUEUESTACK_PINNED("queue", M, u64, 8, 0, "{pin}");', "M.pop(&value);"),
    Case("BPF_XSKMAP-3", 'BPF_XSKMAP(M, 8, "{pin}");', "return M.redirect_map(0, 0);", XDP),
]

MAPS_OF_MAPS = [
    Case("BPF_ARRAY_OF_MAPS", 'BPF_ARRAY(INNER, u64, 2); BPF_ARRAY_OF_MAPS(M, "INNER", 4);', "M.lookup(&key);"),
    Case("BPF_HASH_OF_MAPS-3", 'BPF_ARRAY(INNER, u64, 2); BPF_HASH_OF_MAPS(M, "INNER", 4);', "M.lookup(&key);"),
    Case(
        "BPF_HASH_OF_MAPS-4",
        'BPF_ARRAY(INNER, u64, 2); BPF_HASH_OF_MAPS(M, struct flow, "INNER", 4);',
        "M.lookup(&flow);",
    ),
    Case("BPF_TABLE-array_of_maps", 'BPF_ARRAY(I, u64, 2); BPF_TABLE("array_of_maps$I", int, u32, M, 8);'),
    Case("BPF_TABLE-hash_of_maps", 'BPF_ARRAY(I, u64, 2); BPF_TABLE("hash_of_maps$I", int, u32, M, 8);'),
]

HASH = "BPF_HASH(M, int, u64, 8);"
METHODS = [
    Case("lookup", HASH, LOOKUP),
    Case("lookup-unsigned-key", HASH, "unsigned int index = 3; " + LOOKUP.replace("&key", "&index")),
    Case("lookup_or_try_init", HASH, "u64 *leaf = M.lookup_or_try_init(&key, &value); if (leaf) *leaf += 1;"),
    Case("lookup_or_init", HASH, "u64 *leaf = M.lookup_or_init(&key, &value); *leaf += 1;"),
    Case(
        "lookup_or_init-struct",
        "BPF_HASH(M, struct flow, struct totals);",
        "M.lookup_or_init(&flow, &totals)->bytes += 1;",
    ),
    Case("update", HASH, "M.update(&key, &value);"),
    Case("insert", HASH, "M.insert(&key, &value);"),
    Case("delete", HASH, "M.delete(&key);"),
    Case("increment-1", HASH, "M.increment(key);"),
    Case("increment-2", HASH, "M.increment(key, 5);"),
    Case("increment-u32", "BPF_HASH(M, int, u32);", "M.increment(key);"),
    Case("atomic_increment-1", HASH, "M.atomic_increment(key);"),
    Case("atomic_increment-2", HASH, "M.atomic_increment(key, 5);"),
    Case("push", "BPF_QUEUE(M, u64, 4);", "M.push(&value, BPF_EXIST);"),
    Case("pop", "BPF_QUEUE(M, u64, 4);", "if (M.pop(&value) == 0) md->reason = value;"),
    Case("peek", "BPF_STACK(M, u64, 4);", "if (M.peek(&value) == 0) md->reason = value;"),
    Case("perf_submit", "BPF_PERF_OUTPUT(M);", "M.perf_submit(ctx, &flow, sizeof(flow));"),
    Case("perf_submit_skb", "BPF_PERF_OUTPUT(M);", "M.perf_submit_skb(ctx, 14, &flow, sizeof(flow));"),
    Case("ringbuf_output", "BPF_RINGBUF_OUTPUT(M, 1);", "M.ringbuf_output(&flow, sizeof(flow), 0);"),
    Case(
        "ringbuf_submit",
        "BPF_RINGBUF_OUTPUT(M, 1);",
        "u64 *entry = M.ringbuf_reserve(sizeof(*entry)); if (entry) { *entry = 1; M.ringbuf_submit(entry, 0); }",
    ),
    Case(
        "ringbuf_discard",
        "BPF_RINGBUF_OUTPUT(M, 1);",
        "u64 *entry = M.ringbuf_reserve(sizeof(*entry)); if (entry) M.ringbuf_discard(entry, 0);",
    ),
    Case("ringbuf_query", "BPF_RINGBUF_OUTPUT(M, 1);", "md->reason = M.ringbuf_query(BPF_RB_RING_SIZE);"),
    Case("call", "BPF_PROG_ARRAY(M, 4);", "M.call(ctx, key);"),
    Case("redirect_map", "BPF_DEVMAP(M, 4);", "return M.redirect_map(0, 0);", XDP),
    Case(
        "sk_storage_get",
        "BPF_SK_STORAGE(M, u64);",
        "struct bpf_sock *sk = ctx->sk; if (sk) sk = bpf_sk_fullsock(sk); "
        "if (sk) M.sk_storage_get(sk, 0, BPF_SK_STORAGE_GET_F_CREATE);",
        TC,
    ),
    Case(
        "sk_storage_delete",
        "BPF_SK_STORAGE(M, u64);",
        "struct bpf_sock *sk = ctx->sk; if (sk) sk = bpf_sk_fullsock(sk); if (sk) M.sk_storage_delete(sk);",
        TC,
    ),
    Case("perf_read", "BPF_PERF_ARRAY(M, 4);", "md->reason = M.perf_read(0);"),
    Case("perf_counter_value", "BPF_PERF_ARRAY(M, 4);", "M.perf_counter_value(0, &value, sizeof(value));"),
    Case("check_current_task", "BPF_CGROUP_ARRAY(M, 4);", "md->reason = M.check_current_task(0);"),
]

# Methods whose helpers the kernel gives to other types of program only: they compile, and the verifier says so.
OTHERS = [
    Case("get_stackid", "BPF_STACK_TRACE(M, 4);", "md->reason = M.get_stackid(ctx, 0);"),
    Case("sock_map_update", "BPF_SOCKMAP(M, 4);", "u32 index = 0; M.sock_map_update(ctx, &index, 0);"),
    Case("sock_hash_update", "BPF_SOCKHASH(M, 4);", "u32 index = 0; M.sock_hash_update(ctx, &index, 0);"),
    Case("sk_redirect_map", "BPF_SOCKMAP(M, 4);", "return M.sk_redirect_map(ctx, 0, 0);"),
    Case("sk_redirect_hash", "BPF_SOCKHASH(M, 4);", "u32 index = 0; return M.sk_redirect_hash(ctx, &index, 0);"),
    Case("msg_redirect_map", "BPF_SOCKMAP(M, 4);", "return M.msg_redirect_map(ctx, 0, 0);"),
    Case("msg_redirect_hash", "BPF_SOCKHASH(M, 4);", "u32 index = 0; return M.msg_redirect_hash(ctx, &index, 0);"),
    Case("get_local_storage", "BPF_CGROUP_STORAGE(M, u64);", "md->reason = *(u64 *)M.get_local_storage(0);"),
]

HELPERS = [
    Case("pcn_log-0", "", 'pcn_log(ctx, LOG_TRACE, "no arguments");'),
    Case("pcn_log-1", "", 'pcn_log(ctx, LOG_DEBUG, "%d", md->packet_len);'),
    Case("pcn_log-2", "", 'pcn_log(ctx, LOG_INFO, "%d %I", md->packet_len, flow.saddr);'),
    Case("pcn_log-3", "", 'pcn_log(ctx, LOG_WARN, "%d %I );", md->packet_len, flow.saddr, (s8)-1);'),
    Case("pcn_log-4", "", 'pcn_log(ctx, LOG_ERR, "%d %I %P %M", 1, flow.saddr, flow.sport, value);'),
    Case("pcn_log-critical", "", 'if (value) pcn_log(ctx, LOG_CRITICAL, "x"); else pcn_log(ctx, LOG_INFO, "y");'),
    Case("pcn_log-off", "", 'pcn_log(ctx, LOG_OFF, "x");'),
    Case("pcn_log-in-macro", '#define SAY(what) pcn_log(ctx, LOG_INFO, "said %d", what)\n', "SAY(value);"),
    Case("pcn_log-long", "", f'pcn_log(ctx, LOG_INFO, "{"x" * 511}");'),
    Case("pcn_pkt_drop", "", "return pcn_pkt_drop(ctx, md);"),
    Case("pcn_pkt_controller", "", "return pcn_pkt_controller(ctx, md, 7);"),
    Case(
        "pcn_pkt_controller_with_metadata",
        "",
        "u32 words[3] = {1, 2, 3}; return pcn_pkt_controller_with_metadata(ctx, md, 7, words);",
    ),
    Case("pcn_get_time_epoch", HASH, "value = pcn_get_time_epoch(); M.update(&key, &value);"),
    Case("pcn_is_vlan_present", "", "return pcn_is_vlan_present(ctx) ? RX_DROP : RX_OK;"),
    Case("pcn_get_vlan_id", "", "md->reason = pcn_get_vlan_id(ctx);"),
    Case("pcn_get_vlan_proto", "", "md->reason = pcn_get_vlan_proto(ctx);"),
    Case("pcn_vlan_pop_tag", "", "return pcn_vlan_pop_tag(ctx) ? RX_DROP : RX_OK;"),
    Case("pcn_vlan_push_tag", "", "return pcn_vlan_push_tag(ctx, bpf_htons(ETH_P_8021Q), 7) ? RX_DROP : RX_OK;"),
    Case("pcn_l3_csum_replace", "", "return pcn_l3_csum_replace(ctx, 24, 1, 2, 4) ? RX_DROP : RX_OK;"),
    Case("pcn_l4_csum_replace", "", "return pcn_l4_csum_replace(ctx, 40, 1, 2, 4 | BPF_F_PSEUDO_HDR);"),
    Case("pcn_csum_diff", "", "__be32 a = 1, b = md->packet_len; md->reason = pcn_csum_diff(&a, 4, &b, 4, 0);"),
    Case("pcn_csum_add", "", "md->reason = pcn_csum_fold(pcn_csum_add(pcn_csum_unfold(1), 2));"),
    Case("pcn_csum16_add", "", "md->reason = pcn_csum16_add(1, 2);"),
    Case("pcn_csum_replace_by_diff", "", "__sum16 sum = 1; pcn_csum_replace_by_diff(&sum, 2); md->reason = sum;"),
    Case(
        "pcn_update_csum",
        "",
        "struct iphdr *ip = (void *)(long)ctx->data + 14; "
        "if ((void *)(ip + 1) <= (void *)(long)ctx->data_end) pcn_update_csum(ip);",
        XDP,
    ),
    Case("load", "", "md->reason = load_byte(ctx, 14) + load_half(ctx, 12) + load_word(ctx, 26) + load_dword(ctx, 0);"),
    Case("load-computed", "", "md->reason = load_half(ctx, 14 + (load_byte(ctx, 14) & 15) * 4);"),
    Case(
        "store",
        "",
        "bpf_store_byte(ctx, 0, 1); bpf_store_half(ctx, 0, 1); bpf_store_word(ctx, 0, 1); bpf_store_dword(ctx, 0, 1);",
    ),
    Case("bpf_dext_pkt", "", "md->reason = bpf_dext_pkt(ctx, 14, 4, 4);"),
    Case("bpf_dins_pkt", "", "bpf_dins_pkt(ctx, 14, 4, 4, 5);"),
    Case("csum_replace_", "", "bpf_l3_csum_replace_(ctx, 24, 1, 2, 2); bpf_l4_csum_replace_(ctx, 40, 1, 2, 4);"),
    Case("incr_cksum", "", "u16 a = 1, b = 2; incr_cksum_l3(24, a, b); incr_cksum_l4(40, a, b, 1);"),
    Case(
        "cursor_advance",
        "#include <bcc/proto.h>\n",
        "u8 *cursor = (void *)(long)ctx->data; struct ethernet_t *eth = cursor_advance(cursor, sizeof(*eth)); "
        "struct ip_t *ip = cursor_advance(cursor, sizeof(*ip)); "
        "if ((void *)cursor <= (void *)(long)ctx->data_end) md->reason = ip->hlen + bpf_ntohs(eth->type);",
    ),
    Case("lock_xadd", HASH, "u64 *leaf = M.lookup(&key); if (leaf) lock_xadd(leaf, 1);"),
    Case("bpf_log2", "", "md->reason = bpf_log2(md->packet_len) + bpf_log2l(md->packet_len);"),
    Case(
        "byte-order",
        "",
        "value = htons(1) + ntohl(2) + be16_to_cpu(3) + __constant_htons(4) + cpu_to_be32(5); md->reason = value;",
    ),
    Case("byte-order-128", "", "unsigned __int128 wide = value; value = bpf_hton128(wide) >> 64; md->reason = value;"),
    Case("byte-order-64", "", "md->reason = bpf_htonll(value) + bpf_ntohll(value) + MASK(12) + (u64)MASK128(70);"),
    Case(
        "memory",
        "",
        "struct flow copy; memcpy(&copy, &flow, sizeof(copy)); memset(&flow, 1, sizeof(flow)); "
        "md->reason = memcmp(&copy, &flow, sizeof(copy));",
    ),
    Case(
        "jhash",
        "#include <linux/jhash.h>\n",
        "md->reason = jhash(&flow, sizeof(flow), 1) + jhash_3words(1, 2, 3, md->packet_len) + jhash_2words(1, 2, key);",
    ),
    Case("bpf_trace_printk", "", 'bpf_trace_printk("%d\\n", key); bpf_printk("plain");'),
    Case("helpers", "", "value = bpf_ktime_get_ns() + bpf_get_prandom_u32() + bpf_get_smp_processor_id();"),
    Case(
        "names",
        "",
        "value = CUBE_ID + LOG_LEVEL + _EPOCH_BASE + POLYCUBE_PROGRAM_TYPE + NEXT + IPPROTO_UDP + "
        "ETH_P_IP + LINUX_VERSION_CODE + CONTROLLER_MODULE_INDEX + _POLYCUBE_MAX_PORTS; md->reason = value;",
    ),
    Case(
        "kernel-words",
        "static const int sizes[3];",
        "typedef _Bool bool; bool seen = likely(value) && !unlikely(key); md->reason = seen + ARRAY_SIZE(sizes);",
    ),
]

HEADERS = (
    *("uapi/linux/bpf.h", "uapi/linux/if_ether.h", "uapi/linux/if_packet.h", "uapi/linux/pkt_cls.h"),
    *("uapi/linux/ip.h", "uapi/linux/ipv6.h", "uapi/linux/in.h", "uapi/linux/tcp.h", "uapi/linux/udp.h"),
    *("uapi/linux/icmp.h", "uapi/linux/icmpv6.h", "uapi/linux/if_arp.h", "uapi/linux/if_vlan.h"),
    *("linux/bpf.h", "linux/if_ether.h", "linux/ip.h", "linux/ipv6.h", "linux/in.h", "linux/in6.h", "linux/tcp.h"),
    *("linux/udp.h", "linux/icmp.h", "linux/if_vlan.h", "linux/if_arp.h", "linux/version.h", "linux/log2.h"),
    *("linux/errno.h", "linux/string.h", "linux/kconfig.h", "linux/kernel.h", "linux/skbuff.h", "linux/types.h"),
    *("linux/etherdevice.h", "linux/compiler.h", "linux/minmax.h", "linux/netdevice.h", "linux/ktime.h"),
    *("net/ip.h", "net/ipv6.h", "net/tcp.h", "net/udp.h", "net/sock.h", "net/checksum.h", "net/inet_sock.h"),
    *("bcc/proto.h", "bcc/helpers.h", "bpf/bpf_helpers.h", "bpf/bpf_endian.h"),
    *("linux/jhash.h", "linux/sctp.h", "linux/err.h", "linux/inet.h", "linux/netfilter_ipv4.h", "linux/rcupdate.h"),
    *("net/vxlan.h", "net/gre.h", "limits.h"),
    *("stdint.h", "stdbool.h", "stddef.h", "string.h", "arpa/inet.h", "netinet/in.h", "asm/byteorder.h"),
)
INCLUDES = [Case(f"include-{name}", f"#include <{name}>\n") for name in HEADERS]
INCLUDES.append(Case("include-everything", "".join(f"#include <{name}>\n" for name in HEADERS)))

LOADABLE = [*SHORTCUTS, *TABLES, *METHODS, *HELPERS, *INCLUDES]
EXTERNS = [case for pair in OFFERED for case in pair]
EVERYTHING = [*LOADABLE, *EXTERNS, *PINNED, *MAPS_OF_MAPS, *OTHERS]
