/* The kernel's interface to user space has no packets in it; its own header, which code of its tree means, has. */
#ifndef DYNMON_LINUX_SCTP_H
#define DYNMON_LINUX_SCTP_H

#include <stdint.h>
#include <sys/socket.h>
#include_next <linux/sctp.h>

#ifdef DYNMON_KERNEL_WORDS_H
struct sctphdr {
	__be16 source;
	__be16 dest;
	__be32 vtag;
	__le32 checksum;
};
#endif

#endif
