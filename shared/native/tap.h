#ifndef TAPWIRE_TAP_H
#define TAPWIRE_TAP_H

#include <linux/if.h>
#include <stdbool.h>

#include "failure.h"

/* Properties of a tap to create. A negative owner or group means none. */
struct tap {
  char ifname[IFNAMSIZ];
  /* Must be free in the netns; 0: the kernel chooses. */
  int ifindex;
  bool multi_queue;
  long owner;
  long group;
  /* SELinux label of the tap; NULL: this process's label. */
  const char *label;
  /* Path of the shim, which creates a tap that needs a label. */
  const char *helper;
};

/* Creates a tap in the netns. Unless persist_tap is called, it lives as long as `fd`. */
struct failure create_tap(int netns, const struct tap *tap, int *fd);

/* Makes the tap outlive its descriptor. */
struct failure persist_tap(int fd);

#endif
