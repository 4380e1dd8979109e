/* No maps and no debug information: what it counts are global variables. */
typedef unsigned int u32;
typedef unsigned long long u64;

struct sk_buff_like {
	u32 len;
};

u64 seen[2];
static volatile u64 initial = 40;

__attribute__((section("tc"), used)) int classify(struct sk_buff_like *skb)
{
	__sync_fetch_and_add(&seen[0], 1);
	__sync_fetch_and_add(&seen[1], skb->len);
	initial += 2;
	return 0;
}

char _license[] __attribute__((section("license"), used)) = "GPL";
