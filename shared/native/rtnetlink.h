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
  size_t capacity;
  size_t limit;
};

/* Appends data. Fails with EMSGSIZE if the buffer would exceed its limit. */
struct failure append(struct bytes *bytes, const void *data, size_t length);

/* How much to keep of the answer to a request, which a process in the pod can make long. */
struct keep {
  /* Maximum number of bytes. */
  uint32_t limit;
  /* Size in bytes of the fixed body of the messages, in front of their attributes. */
  uint32_t body;
  /* Types of attributes to keep, one bit each, for types below 64; 0 keeps all. */
  uint32_t types[2];
};

/*
 * Sends netlink requests and receives until all of them are answered. Dumps are sent one by one,
 * other requests in chunks whose acknowledgements fit into the socket's queue. The kernel processes
 * all requests of a chunk, even if an earlier one failed.
 *
 * `keeps` has an element for each request, or is empty. An answer that exceeds its limit is cut
 * short: what fits is followed by a refusal with EOVERFLOW, and the rest of the dump is not read.
 *
 * Opens the socket if it is negative. Closes it and makes it negative after a failure: answers may
 * be missing or still to come, and after an overrun the kernel silently drops further ones until
 * the queue is empty.
 */
struct failure exchange(int netns, int *socket, const struct bytes *requests, const struct bytes *keeps, deadline deadline,
                        struct bytes *answers);

/*
 * Size in bytes of the largest datagram that is received without growing the buffer. Those of a
 * dump have at most 32 KiB, except for a link that has two lists of 64 KiB.
 */
enum { DATAGRAM = 144 * 1024 };

struct failure send_all(int socket, const void *data, size_t length);

/*
 * Receives one datagram of up to `size` bytes. Sets the length to 0 if it is not from the kernel.
 * Fails with EMSGSIZE, and sets the length to that of the datagram, if it is larger. Fails with
 * ETIME only if the queue is empty at the deadline. So a caller that drops datagrams must check the
 * deadline itself, or a flood of them keeps it busy for ever.
 */
struct failure receive(int socket, deadline deadline, void *datagram, size_t size, int *length);

/* Returns the failure that means: no answer came in time. */
struct failure no_answer(void);

#endif
