#ifndef static_assert
#define static_assert _Static_assert
#endif

#ifndef assert
#define assert(condition) ((void)0)
#endif
