/* The types of the running kernel; where it is precompiled, they have been read already (see vmlinux.py). */
#ifndef __VMLINUX_H__
#include <kernel_types.h>
#endif
