#ifndef TAPWIRE_RTNETLINK_H
#define TAPWIRE_RTNETLINK_H

#include <linux/netlink.h>
#include <stddef.h>
#include <stdint.h>

#include "deadline.h"
#include "failure.h"

/* Bytes that grow, up to a limit if it is not 0; free(data) when done. */
struct bytes {
  uint8_t *data;
  size_t length;
  size_t limit;
};

/* Fails with EMSGSIZE past the limit. */
struct failure append(struct bytes *bytes, const void *data, size_t length);

/*
 * After any failure of the following functions the socket is of no more use: answers may be missing or still to come, and the
 * kernel drops further ones silently until the queue is empty. Close it.
 */

/*
 * Sends netlink requests and receives until all of them are answered. Dumps go out one by one, all others in chunks whose
 * acknowledgements fit into the socket: the kernel works through a chunk whether or not an earlier request of it failed.
 */
struct failure exchange(int socket, const uint8_t *requests, size_t length, struct bytes *answers);

/*
 * The same for requests that must go out in one send; `count` requests from number `first_seq` on are answered. Its caller sees to it
 * that the acknowledgements fit (MAX_CHUNK).
 */
struct failure exchange_chunk(int socket, const void *requests, size_t length, uint32_t first_seq, uint32_t count,
                              struct bytes *answers);

/*
 * Acknowledgements that fit into a socket's queue for sure. The kernel counts at least 768 bytes for each, more with an explanation,
 * and allows 208 KiB by default.
 */
enum { MAX_CHUNK = 64 };

/* Bytes of the largest datagram. The kernel makes those of a dump 32 KiB, and larger only for a link that has two lists of 64 KiB. */
enum { DATAGRAM = 144 * 1024 };

struct failure append(struct bytes *bytes, const void *data, size_t length);
struct failure send_all(int socket, const void *data, size_t length);

/*
 * Receives one datagram of up to DATAGRAM bytes. The length is 0 if it is not from the kernel. Fails with ETIME only if none is
 * there: a caller to whom each datagram is of no use compares the clock itself.
 */
struct failure receive(int socket, deadline deadline, void *datagram, int *length);

/* The failure that says that no answer came in time. */
struct failure no_answer(void);

#endif
