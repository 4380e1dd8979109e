/* What the kernel's own headers say beyond its interface to user space: for code that was built in its tree. */
#ifndef DYNMON_KERNEL_WORDS_H
#define DYNMON_KERNEL_WORDS_H

#include <asm/byteorder.h>
#include <dynmon/types.h>
#include <linux/bits.h>
#include <linux/compiler.h>
#include <linux/minmax.h>

#define htons(x) __cpu_to_be16(x)
#define htonl(x) __cpu_to_be32(x)
#define ntohs(x) __be16_to_cpu(x)
#define ntohl(x) __be32_to_cpu(x)
#define cpu_to_be16(x) __cpu_to_be16(x)
#define cpu_to_be32(x) __cpu_to_be32(x)
#define cpu_to_be64(x) __cpu_to_be64(x)
#define be16_to_cpu(x) __be16_to_cpu(x)
#define be32_to_cpu(x) __be32_to_cpu(x)
#define be64_to_cpu(x) __be64_to_cpu(x)

#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))
#define __packed __attribute__((packed))

#endif
