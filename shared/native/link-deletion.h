#ifndef TAPWIRE_LINK_DELETION_H
#define TAPWIRE_LINK_DELETION_H

#include "rtnetlink.h"

/*
 * Sends one RTM_DELLINK and waits until the link has left the netns. The kernel sends a
 * notification about that 18 ms (RCU) before it acknowledges the request, so a thread of its own
 * waits for the acknowledgement. `answers` gets the refusal, or stays empty.
 *
 * If the notification is lost, opens further sockets in `netns` to query the link. In that case,
 * and on failure, closes `socket` and sets it to -1.
 */
struct failure delete_link(int netns, int *socket, const struct bytes *request, deadline deadline, struct bytes *answers);

#endif
