/* The types; there is nobody to print them in C's formats. */
#include <stdint.h>
