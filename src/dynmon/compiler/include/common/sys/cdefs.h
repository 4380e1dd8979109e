/* The words around declarations in the headers of a C library. */
#ifndef DYNMON_SYS_CDEFS_H
#define DYNMON_SYS_CDEFS_H

#define __BEGIN_DECLS
#define __END_DECLS
#define __THROW
#define __CONCAT(x, y) x##y
#define __STRING(x) #x

#endif
