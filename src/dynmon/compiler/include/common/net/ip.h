/* The kernel's own; what packet programs mean by it is in its interface to user space, but for a few numbers. */
#include <linux/ip.h>

#ifndef IP_OFFSET
#define IP_CE 0x8000
#define IP_DF 0x4000
#define IP_MF 0x2000
#define IP_OFFSET 0x1fff
#endif
