#ifndef TAPWIRE_ECHO_REQUEST_H
#define TAPWIRE_ECHO_REQUEST_H

#include <netinet/in.h>

#include "failure.h"
#include "rtnetlink.h"

/* A question for the routers of a link. */
struct question {
  int netns;
  int ifindex;
  /* A link-local address of the link; routers reply from theirs only to such a source. */
  struct in6_addr source;
  /* Number of routers after which to stop, and how long to wait for them. */
  int most;
  int milliseconds;
};

/*
 * Sends one ICMPv6 echo request to all routers of a link, and receives the replies until the limits
 * of the question. Appends the link-local addresses of the routers, 16 bytes each and each once.
 * The caller calls free(addresses->data).
 *
 * Requires no capability, but net.ipv4.ping_group_range of the netns must include a group of this
 * process: otherwise fails with EACCES.
 */
struct failure ask_routers(const struct question *question, struct bytes *addresses);

#endif
