#include <dynmon/types.h>
