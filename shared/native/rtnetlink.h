#ifndef TAPWIRE_RTNETLINK_H
#define TAPWIRE_RTNETLINK_H

#include <linux/netlink.h>
#include <stddef.h>
#include <stdint.h>

#include "deadline.h"
#include "failure.h"

/* A growing buffer, of at most `limit` bytes if that is not 0. Its owner calls free(data). */
struct bytes {
  uint8_t *data;
  size_t length;
  size_t limit;
};

/* Appends data. Fails with EMSGSIZE if the buffer would exceed its limit. */
struct failure append(struct bytes *bytes, const void *data, size_t length);

/*
 * Close the socket after any failure of the following functions. Answers may be missing or still to
 * come, and after an overrun the kernel silently drops further ones until the queue is empty.
 */

/*
 * Sends netlink requests and receives until all of them are answered. Dumps are sent one by one,
 * other requests in chunks whose acknowledgements fit into the socket's queue. The kernel processes
 * all requests of a chunk, even if an earlier one failed.
 */
struct failure exchange(int socket, const uint8_t *requests, size_t length, struct bytes *answers);

/*
 * Sends `count` requests, numbered from `first_seq` on, in one send and receives their answers. The
 * caller ensures that the acknowledgements fit (MAX_CHUNK).
 */
struct failure exchange_chunk(int socket, const void *requests, size_t length, uint32_t first_seq, uint32_t count,
                              struct bytes *answers);

/*
 * Number of acknowledgements that always fit into a socket's queue. The kernel counts at least 768
 * bytes for each, more with an explanation, and allows 208 KiB by default.
 */
enum { MAX_CHUNK = 64 };

/*
 * Size in bytes of the largest datagram. Those of a dump have at most 32 KiB, except for a link
 * that has two lists of 64 KiB.
 */
enum { DATAGRAM = 144 * 1024 };

struct failure append(struct bytes *bytes, const void *data, size_t length);
struct failure send_all(int socket, const void *data, size_t length);

/*
 * Receives one datagram of up to DATAGRAM bytes. Sets the length to 0 if it is not from the kernel.
 * Fails with ETIME only if the queue is empty at the deadline. So a caller that drops datagrams
 * must check the deadline itself, or a flood of them keeps it busy for ever.
 */
struct failure receive(int socket, deadline deadline, void *datagram, int *length);

/* Returns the failure that means: no answer came in time. */
struct failure no_answer(void);

#endif
