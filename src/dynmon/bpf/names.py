"""Names that code about packets uses most: the header that has them, or what to use instead of a C library."""

from __future__ import annotations

import re

# Which header has it, for the names that code about packets uses most.
HEADERS = (
    ("linux/if_ether.h", r"ETH_(?:P_\w+|ALEN|HLEN|ZLEN|FRAME_LEN|DATA_LEN)|ethhdr"),
    ("linux/ip.h", r"iphdr|IP_(?:CE|DF|MF|OFFSET)|IPVERSION|IPTOS_\w+"),
    ("linux/ipv6.h", r"ipv6hdr|ipv6_opt_hdr|frag_hdr|ipv6_rt_hdr"),
    ("linux/in.h", r"IPPROTO_(?!ICMPV6|ROUTING|FRAGMENT|HOPOPTS|NONE|DSTOPTS|MH)\w+|in_addr|sockaddr_in|INADDR_\w+"),
    ("linux/in6.h", r"in6_addr|sockaddr_in6|IPPROTO_(?:ICMPV6|ROUTING|FRAGMENT|HOPOPTS|NONE|DSTOPTS|MH)"),
    ("linux/tcp.h", r"tcphdr|TCP_FLAG_\w+"),
    ("linux/udp.h", r"udphdr"),
    ("linux/icmpv6.h", r"icmp6hdr|icmp6_filter|ICMPV6_\w+"),
    ("linux/icmp.h", r"icmphdr|ICMP_\w+"),
    ("linux/if_arp.h", r"arphdr|ARPOP_\w+|ARPHRD_\w+"),
    ("linux/if_vlan.h", r"vlan_(?:hdr|ethhdr)|VLAN_(?:VID|PRIO|CFI)_\w+"),
    ("linux/igmp.h", r"igmphdr|igmpv3_\w+"),
    ("linux/sctp.h", r"sctphdr"),
    ("linux/if_packet.h", r"PACKET_(?:HOST|BROADCAST|MULTICAST|OTHERHOST|OUTGOING)"),
    ("linux/pkt_cls.h", r"TC_ACT_\w+"),
    ("linux/errno.h", r"E(?:INVAL|NOENT|EXIST|NOMEM|PERM|AGAIN|BUSY|2BIG)"),
    (
        "linux/bpf.h",
        r"__sk_buff|xdp_md|XDP_\w+|BPF_(?:MAP_TYPE|F|ANY|NOEXIST|EXIST)\w*|bpf_\w*(?:lock|timer|tuple|tunnel_key)",
    ),
    ("bpf/bpf_endian.h", r"bpf_(?:hton|ntoh)\w+|bpf_(?:cpu_to_|be\d+_to_)\w+|hton[sl]|ntoh[sl]"),
    ("bpf/bpf_core_read.h", r"BPF_CORE_\w+|bpf_core_\w+"),
    ("bpf/bpf_tracing.h", r"BPF_PROG|PT_REGS_\w+"),
    ("bpf/bpf_helpers.h", r"SEC|__uint|__type|__array|__always_inline|__noinline|barrier_var|bpf_(?!xdp_md)\w+"),
    ("stdbool.h", r"bool|true|false"),
    ("stddef.h", r"NULL|offsetof|size_t"),
    ("stdint.h", r"u?int(?:8|16|32|64)_t|UINT\d+_MAX"),
    ("linux/types.h", r"__(?:u|s|be|le)(?:8|16|32|64)|__sum16"),
)
HEADER_OF = tuple((name, re.compile(words)) for name, words in HEADERS)
# What there is in a C library and not in the kernel.
FUNCTIONS = (
    (
        re.compile(r"f?printf|puts|printk|perror"),
        'say it with pcn_log(ctx, LOG_INFO, "%d", n) in the dialect, with bpf_printk("%d", n) in libbpf C',
    ),
    (
        re.compile(r"[mc]alloc|realloc|free|alloca"),
        "there is no heap: keep things in a map, large ones in a per-CPU array with one entry",
    ),
    (
        re.compile(r"strn?(?:len|cpy|cat)|sn?printf|ato[il]|strtou?l"),
        "write a loop with a constant bound; strings are bytes",
    ),
)


def header_of(name: str) -> str:
    """The header that has `name`, "" if none of these."""
    return next((header for header, names in HEADER_OF if names.fullmatch(name)), "")


def hint_for_function(name: str) -> str:
    """What to use instead of a function that is nowhere; "" where nothing is known."""
    return next((hint for names, hint in FUNCTIONS if names.fullmatch(name)), "")
