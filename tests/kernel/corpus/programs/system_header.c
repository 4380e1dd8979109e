/*
 * stage: compile
 * line: 8
 * says: 'stdio\.h' file not found
 * hint: code runs in the kernel: there is no C library, only the headers of
 */

#include <stdio.h>

static __always_inline int handle_rx(struct CTXTYPE *ctx, struct pkt_metadata *md)
{
	return RX_OK;
}
