#include <net/gre.h>
