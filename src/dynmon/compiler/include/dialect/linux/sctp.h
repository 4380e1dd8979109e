/* The kernel's own header describes packets, the one for user space only sockets. */
#ifndef DYNMON_LINUX_SCTP_H
#define DYNMON_LINUX_SCTP_H

#include <sys/socket.h>
#include_next <linux/sctp.h>

struct sctphdr {
	__be16 source;
	__be16 dest;
	__be32 vtag;
	__le32 checksum;
};

#endif
