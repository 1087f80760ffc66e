#ifndef TAPWIRE_NETNS_H
#define TAPWIRE_NETNS_H

#include "failure.h"

/* Each opens one descriptor and stores it in `fd`. The netns is given by a descriptor; a negative one is our own. */
struct failure open_rtnetlink(int netns, int *fd);
struct failure open_tun(int netns, int *fd);
/* Whatever `open_here` opens there; it is told `what`. */
struct failure open_in(int netns, struct failure (*open_here)(const void *what, int *fd), const void *what, int *fd);

/* Does something in a netns, on this thread. */
struct failure visit(int netns, struct failure (*act)(void *argument), void *argument);

/* Makes a network namespace that lives as long as something holds it. */
struct failure new_netns(int *fd);

#endif
