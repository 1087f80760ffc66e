#ifndef TAPWIRE_NFNETLINK_H
#define TAPWIRE_NFNETLINK_H

#include <stddef.h>
#include <stdint.h>

#include "failure.h"
#include "rtnetlink.h"

/* Opens a netfilter socket in a netns, given by a descriptor; a negative one is our own. */
struct failure open_nfnetlink(int netns, int *fd);

/*
 * Sends requests to nftables. Nothing here waits for an answer: the kernel has queued all of it when send(2) returns. A batch goes out
 * whole, since the kernel does all of it or nothing: the failure is its first refusal, and `answers` stays empty. Other requests go out
 * one by one; `answers` gets all that the kernel says, refusals included.
 */
struct failure exchange_nfnetlink(int socket, const uint8_t *requests, size_t length, struct bytes *answers);

/*
 * Closes a netfilter socket on a thread of its own. Until tables that were deleted are freed, which takes an RCU grace period (10 to
 * 40 ms), closing any netfilter socket of that netns waits for it.
 */
void close_nfnetlink(int fd);

#endif
