#include <linux/param.h>
#include <sys/types.h>
