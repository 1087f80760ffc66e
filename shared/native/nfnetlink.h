#ifndef TAPWIRE_NFNETLINK_H
#define TAPWIRE_NFNETLINK_H

#include <stddef.h>
#include <stdint.h>

#include "failure.h"
#include "rtnetlink.h"

/*
 * Opens a netfilter socket in a netns. `netns` is a descriptor; negative: this process's own netns.
 */
struct failure open_nfnetlink(int netns, int *fd);

/*
 * Sends requests to nftables and receives the answers without waiting: the kernel has queued them
 * when send(2) returns.
 *
 * A batch is sent as one, because the kernel applies all of it or nothing: the failure is its first
 * refusal, and `answers` stays empty. Other requests are sent one by one; `answers` gets all the
 * kernel's messages, refusals included.
 */
struct failure exchange_nfnetlink(int socket, const uint8_t *requests, size_t length, struct bytes *answers);

/*
 * Closes a netfilter socket on a thread of its own, because close(2) may block. It waits until
 * deleted tables of that netns are freed, which takes an RCU grace period (10 to 40 ms).
 */
void close_nfnetlink(int fd);

#endif
