#include <linux/if_arp.h>
