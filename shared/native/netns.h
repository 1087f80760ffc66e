#ifndef TAPWIRE_NETNS_H
#define TAPWIRE_NETNS_H

#include "failure.h"

/*
 * Each opens one descriptor in a netns and stores it in `fd`. `netns` is a descriptor; a negative
 * one means this process's own netns.
 */
struct failure open_rtnetlink(int netns, int *fd);
struct failure open_tun(int netns, int *fd);
/* Opens what `open_here` opens; `what` is passed to it. */
struct failure open_in(int netns, struct failure (*open_here)(const void *what, int *fd), const void *what, int *fd);

/* Calls `act` with `argument` while this thread is in the netns. */
struct failure visit(int netns, struct failure (*act)(void *argument), void *argument);

/* Creates a network namespace. It lives as long as `fd`, or something in it, exists. */
struct failure new_netns(int *fd);

#endif
