/* Opens the pod's network namespace and locks it, so that it has only one writer. */
#pragma once

#include <stdbool.h>

struct netns {
  /* Descriptor of CNI_NETNS, or -1. */
  int pod;
  /* The errno of opening CNI_NETNS, or 0. */
  int pod_errno;
  /* Whether this process holds the lock of `pod`. */
  bool is_locked;
  /* Descriptor of the netns that this process runs in: on a node, the host netns. */
  int host;
};

/* Opens both; `path` may be "". Prints an error and exits if the host netns cannot be opened. */
struct netns open_netns(const char *path);

/*
 * Takes the lock of the pod's netns; waits at most `timeout` seconds for another call that holds
 * it. The lock lasts until the last copy of the descriptor is closed. If CNI_NETNS is not a netns,
 * or is the host's, it is not locked, because it is rejected later. Returns 0 or a negative errno.
 */
long lock_pod(struct netns *netns, int timeout);

void close_netns(struct netns *netns);
