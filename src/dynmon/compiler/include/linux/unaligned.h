#include <dynmon/compat.h>
