#ifndef DYNMON_STDBOOL_H
#define DYNMON_STDBOOL_H

/* A type, not a macro: code may declare it once more. */
typedef _Bool bool;
#define true 1
#define false 0
#define __bool_true_false_are_defined 1

#endif
