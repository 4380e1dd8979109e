#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_helpers.h>

#define TAG(text) __attribute__((btf_decl_tag(text)))

char license_text[] SEC("license") = "GPL";
