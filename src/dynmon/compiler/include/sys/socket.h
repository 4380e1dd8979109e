/* What the kernel's headers for user space expect of a C library. */
#ifndef DYNMON_SYS_SOCKET_H
#define DYNMON_SYS_SOCKET_H

#include <linux/socket.h>

typedef __kernel_sa_family_t sa_family_t;

#define sockaddr_storage __kernel_sockaddr_storage
#define MSG_FIN 0x200

struct sockaddr {
	sa_family_t sa_family;
	char sa_data[14];
};

#endif
