#ifndef TAPWIRE_TAP_H
#define TAPWIRE_TAP_H

#include <linux/if.h>
#include <stdbool.h>

#include "failure.h"

/* A tap as it is asked for. A negative owner or group is none. */
struct tap {
  char ifname[IFNAMSIZ];
  bool multi_queue;
  long owner;
  long group;
  /* SELinux label that the tap gets from who makes it; empty: the caller's own. */
  char label[257];
  /* The shim, which makes the tap under that label. */
  char helper[4097];
};

/*
 * Makes a tap in the netns; it lives as long as the descriptor `fd`, until persist_tap. `socket` is any socket of that netns,
 * to ask for the ifindex.
 */
struct failure create_tap(int netns, int socket, const struct tap *tap, int *fd, int *ifindex);

/* The tap outlives its descriptor, which is closed. */
struct failure persist_tap(int fd);

#endif
