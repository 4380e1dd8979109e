#include <bpf/bpf_endian.h>
