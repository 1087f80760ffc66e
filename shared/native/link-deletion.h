#ifndef TAPWIRE_LINK_DELETION_H
#define TAPWIRE_LINK_DELETION_H

#include "rtnetlink.h"

/*
 * Sends one RTM_DELLINK and waits until the link is out of the netns, which the kernel says about 18 ms (RCU) before it
 * answers; the waiting call ends on a thread of its own. `answers` is the refusal, or stays empty.
 *
 * If the kernel's word is lost, opens further sockets in `netns` to look for the link. Then, and if it fails, `socket` is closed and
 * becomes -1.
 */
struct failure delete_link(int netns, int *socket, const struct bytes *request, deadline deadline, struct bytes *answers);

#endif
