/* The kernel's own; what packet programs mean by it is in its interface to user space. */
#include <linux/ip.h>
