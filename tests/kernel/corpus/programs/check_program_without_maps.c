/*
 * stage: check
 * says: map 'FLOWS' is not declared by the ingress code; it declares no maps
 * hint: ^$
 * path: {"metric-configs": [{"name": "flows", "map-name": "FLOWS"}]}
 */

static __always_inline int handle_rx(struct CTXTYPE *ctx, struct pkt_metadata *md)
{
	return RX_OK;
}
