#include <bpf/bpf_tracing.h>
