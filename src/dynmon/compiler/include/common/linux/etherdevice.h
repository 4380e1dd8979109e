/* The kernel's own; of it, the structure of a frame's start. */
#include <linux/if_ether.h>
