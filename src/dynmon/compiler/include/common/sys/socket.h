/* What the kernel's headers for user space expect of a C library. */
#ifndef DYNMON_SYS_SOCKET_H
#define DYNMON_SYS_SOCKET_H

#include <linux/socket.h>
#include <stddef.h>

typedef __kernel_sa_family_t sa_family_t;
typedef unsigned int socklen_t;

#define sockaddr_storage __kernel_sockaddr_storage
#define MSG_FIN 0x200

#define AF_UNSPEC 0
#define AF_UNIX 1
#define AF_INET 2
#define AF_INET6 10
#define AF_NETLINK 16
#define AF_PACKET 17
#define AF_VSOCK 40

#define SOCK_STREAM 1
#define SOCK_DGRAM 2
#define SOCK_RAW 3

struct sockaddr {
	sa_family_t sa_family;
	char sa_data[14];
};

#endif
