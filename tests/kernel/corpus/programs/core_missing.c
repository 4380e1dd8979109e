/*
 * stage: verify
 * line: 12
 * says: this kernel has no struct sk_buff___other\.no_such_field, which the code reads.*failed to resolve CO-RE relocation <byte_off> \[35\] struct sk_buff___other\.no_such_field \(0:0 @ offset 0\)
 * hint: ask first with if \(bpf_core_field_exists\(p->field\)\), or compile
 */

struct sk_buff___other { int no_such_field; } __attribute__((preserve_access_index));

static __always_inline int handle_rx(struct CTXTYPE *ctx, struct pkt_metadata *md)
{
	return ((struct sk_buff___other *)ctx)->no_such_field ? RX_DROP : RX_OK;
}
