/* The pod's network namespace, and the lock that keeps it to one writer. */
#pragma once

struct netns {
  /* Descriptor of what is at CNI_NETNS, or -1. */
  int pod;
  /* 0, or why it could not be opened. */
  int pod_errno;
  /* Descriptor of the netns that we run in, on a node its own. */
  int host;
};

/* Opens both; `path` may be "". Ends with an error where our own cannot be opened. */
struct netns open_netns(const char *path);

/*
 * Waits at most `timeout` seconds until nobody else writes to the pod's netns, and keeps others out until the last copy of
 * the descriptor is closed. What is no netns, or our own, is not locked: it is refused later. Returns 0 or a negative errno.
 */
long lock_pod(const struct netns *netns, int timeout);

void close_netns(struct netns *netns);
