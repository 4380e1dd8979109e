#include <iproute2/bpf_elf.h>
