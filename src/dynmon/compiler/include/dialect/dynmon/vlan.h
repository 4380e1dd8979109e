/* VLAN tags: beside the packet at TC, where the kernel keeps them, in the frame at XDP. */
#ifndef DYNMON_VLAN_H
#define DYNMON_VLAN_H

#define DYNMON_VLAN_ID_MASK 0x0fff

#ifdef DYNMON_HOOK_XDP

#include <dynmon/vlan_hdr.h>

struct dynmon_tagged_frame {
	struct ethhdr eth;
	struct vlan_hdr vlan;
} __attribute__((packed));

/* The frame when it has a tag, else NULL. */
static __always_inline struct dynmon_tagged_frame *dynmon_tagged(struct xdp_md *ctx)
{
	struct dynmon_tagged_frame *frame = (void *)(long)ctx->data;

	if ((void *)(frame + 1) > (void *)(long)ctx->data_end)
		return NULL;
	if (frame->eth.h_proto != bpf_htons(ETH_P_8021Q) && frame->eth.h_proto != bpf_htons(ETH_P_8021AD))
		return NULL;
	return frame;
}

static __always_inline bool pcn_is_vlan_present(struct xdp_md *ctx)
{
	return dynmon_tagged(ctx) != NULL;
}

/* The 12 bits of the VLAN, -1 without a tag. */
static __always_inline int pcn_get_vlan_id(struct xdp_md *ctx)
{
	struct dynmon_tagged_frame *frame = dynmon_tagged(ctx);

	return frame ? bpf_ntohs(frame->vlan.h_vlan_TCI) & DYNMON_VLAN_ID_MASK : -1;
}

/* The protocol of the tag (ETH_P_8021Q or ETH_P_8021AD) in network byte order, -1 without one. */
static __always_inline int pcn_get_vlan_proto(struct xdp_md *ctx)
{
	struct dynmon_tagged_frame *frame = dynmon_tagged(ctx);

	return frame ? frame->eth.h_proto : -1;
}

/* The pointers into the packet that the code holds become invalid. */
static __always_inline int pcn_vlan_pop_tag(struct xdp_md *ctx)
{
	struct dynmon_tagged_frame *frame = dynmon_tagged(ctx);
	struct ethhdr eth;

	if (!frame)
		return -DYNMON_EINVAL;
	eth = frame->eth;
	eth.h_proto = frame->vlan.h_vlan_encapsulated_proto;
	if (bpf_xdp_adjust_head(ctx, (int)sizeof(struct vlan_hdr)))
		return -DYNMON_EINVAL;
	return dynmon_store(ctx, 0, &eth, sizeof(eth));
}

static __always_inline int pcn_vlan_push_tag(struct xdp_md *ctx, u16 eth_proto, u32 vlan_id)
{
	struct dynmon_tagged_frame frame;
	__be16 inner;

	if (dynmon_load(ctx, 0, &frame.eth, sizeof(frame.eth)))
		return -DYNMON_EINVAL;
	inner = frame.eth.h_proto;
	frame.eth.h_proto = eth_proto == bpf_htons(ETH_P_8021AD) ? eth_proto : bpf_htons(ETH_P_8021Q);
	frame.vlan.h_vlan_TCI = bpf_htons((__u16)vlan_id);
	frame.vlan.h_vlan_encapsulated_proto = inner;
	if (bpf_xdp_adjust_head(ctx, -(int)sizeof(struct vlan_hdr)))
		return -DYNMON_EINVAL;
	return dynmon_store(ctx, 0, &frame, sizeof(frame));
}

#else

static __always_inline bool pcn_is_vlan_present(struct __sk_buff *ctx)
{
	return ctx->vlan_present;
}

static __always_inline int pcn_get_vlan_id(struct __sk_buff *ctx)
{
	return ctx->vlan_present ? (int)(ctx->vlan_tci & DYNMON_VLAN_ID_MASK) : -1;
}

static __always_inline int pcn_get_vlan_proto(struct __sk_buff *ctx)
{
	return ctx->vlan_present ? (int)ctx->vlan_proto : -1;
}

static __always_inline int pcn_vlan_pop_tag(struct __sk_buff *ctx)
{
	return bpf_skb_vlan_pop(ctx);
}

static __always_inline int pcn_vlan_push_tag(struct __sk_buff *ctx, u16 eth_proto, u32 vlan_id)
{
	return bpf_skb_vlan_push(ctx, eth_proto, vlan_id);
}

#endif

#endif
