/*
 * stage: verify
 * line: 23
 * says: functions call each other deeper than 8 levels, or themselves.*the call stack of 9 frames is too deep
 * hint: write a loop with a constant bound in place of the recursion, or mark
 */

static __noinline int level0(u32 x)
{
	asm volatile("");
	return x & 1;
}

static __noinline int level1(u32 x)
{
	asm volatile("");
	return level0(x + 1) + 1;
}

static __noinline int level2(u32 x)
{
	asm volatile("");
	return level1(x + 2) + 1;
}

static __noinline int level3(u32 x)
{
	asm volatile("");
	return level2(x + 3) + 1;
}

static __noinline int level4(u32 x)
{
	asm volatile("");
	return level3(x + 4) + 1;
}

static __noinline int level5(u32 x)
{
	asm volatile("");
	return level4(x + 5) + 1;
}

static __noinline int level6(u32 x)
{
	asm volatile("");
	return level5(x + 6) + 1;
}

static __noinline int level7(u32 x)
{
	asm volatile("");
	return level6(x + 7) + 1;
}

static __noinline int level8(u32 x)
{
	asm volatile("");
	return level7(x + 8) + 1;
}

static __always_inline int handle_rx(struct CTXTYPE *ctx, struct pkt_metadata *md)
{
	return level8(md->packet_len) > 3 ? RX_DROP : RX_OK;
}
