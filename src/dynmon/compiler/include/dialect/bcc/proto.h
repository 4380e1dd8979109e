#include <dynmon/protocols.h>
