/* The kernel's own; of it, what BPF code uses. */
#include <linux/minmax.h>
