/* What a C library declares, from the kernel's interface to user space. */
#ifndef DYNMON_NET_IF_H
#define DYNMON_NET_IF_H

#include <linux/if.h>

#ifndef IF_NAMESIZE
#define IF_NAMESIZE IFNAMSIZ
#endif

#endif
