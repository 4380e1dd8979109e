/* Not for BPF code as such; what is meant by it is in the kernel's interface to user space. */
#include <linux/ip.h>
