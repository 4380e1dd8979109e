/*
 * stage: compile
 * line: 8
 * says: 'common\.h' file not found
 * hint: local headers go into the code where it is packed: dynmon pack
 */

#include "common.h"

static __always_inline int handle_rx(struct CTXTYPE *ctx, struct pkt_metadata *md)
{
	return RX_OK;
}
