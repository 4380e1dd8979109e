/* Calls of these become instructions where the sizes are known to the compiler; there is no library to call. */
#ifndef DYNMON_STRING_H
#define DYNMON_STRING_H

#include <stddef.h>

void *memcpy(void *to, const void *from, size_t bytes);
void *memmove(void *to, const void *from, size_t bytes);
void *memset(void *to, int byte, size_t bytes);
void *memchr(const void *in, int byte, size_t bytes);
size_t strlen(const char *text);
int strcmp(const char *a, const char *b);
int strncmp(const char *a, const char *b, size_t bytes);
char *strcpy(char *to, const char *from);
char *strncpy(char *to, const char *from, size_t bytes);

/* Of this one clang would make a call that leads nowhere; under another name, it does not know it. */
static inline __attribute__((always_inline, unused)) int
memcmp(const void *a, const void *b, size_t bytes) __asm__("dynmon_memcmp");

static inline int memcmp(const void *a, const void *b, size_t bytes)
{
	const unsigned char *left = a, *right = b;

	for (size_t i = 0; i < bytes; i++)
		if (left[i] != right[i])
			return left[i] < right[i] ? -1 : 1;
	return 0;
}

#endif
