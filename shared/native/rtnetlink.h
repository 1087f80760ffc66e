#ifndef TAPWIRE_RTNETLINK_H
#define TAPWIRE_RTNETLINK_H

#include <stddef.h>
#include <stdint.h>

#include "failure.h"

/* Bytes that grow; free(data) when done. */
struct bytes {
  uint8_t *data;
  size_t length;
};

/*
 * Sends netlink requests and receives until all of them are answered. Dumps go out one by one, all others in runs: the kernel
 * works through a run whether or not an earlier request of it failed.
 */
struct failure exchange(int socket, const uint8_t *requests, size_t length, struct bytes *answers);

/*
 * Sends one RTM_DELLINK and receives until the link is out of the netns, which the kernel says about 18 ms (RCU) before it
 * answers; the waiting call ends on a thread of its own. `answers` is the refusal, or stays empty.
 */
struct failure delete_link(int socket, const uint8_t *request, size_t length, struct bytes *answers);

#endif
