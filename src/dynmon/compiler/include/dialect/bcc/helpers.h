/* Read before the first line of the code anyway. */
#include <dynmon/dialect.h>
