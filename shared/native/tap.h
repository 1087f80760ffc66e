#ifndef TAPWIRE_TAP_H
#define TAPWIRE_TAP_H

#include <linux/if.h>
#include <stdbool.h>

#include "failure.h"

/* A tap as it is asked for. A negative owner or group is none. */
struct tap {
  char ifname[IFNAMSIZ];
  /* That nobody has in the netns; 0: the kernel chooses. */
  int ifindex;
  bool multi_queue;
  long owner;
  long group;
  /* SELinux label that the tap gets from who makes it; NULL: ours. */
  const char *label;
  /* The shim, which makes the tap under that label. */
  const char *helper;
};

/* Makes a tap in the netns; it lives as long as the descriptor `fd`, until persist_tap. */
struct failure create_tap(int netns, const struct tap *tap, int *fd);

/* The tap outlives its descriptor. */
struct failure persist_tap(int fd);

#endif
