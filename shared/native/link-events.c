#define _GNU_SOURCE
#include <errno.h>
#include <linux/netlink.h>
#include <sys/socket.h>
#include <unistd.h>

#include "link-events.h"

struct failure open_link_events(uint32_t groups, int *fd) {
  const struct sockaddr_nl address = {.nl_family = AF_NETLINK, .nl_groups = groups};
  *fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
  if (*fd < 0) return (struct failure){"open a netlink socket", errno};
  if (bind(*fd, (const struct sockaddr *)&address, sizeof address) == 0) return NO_FAILURE;
  struct failure failure = {"bind a netlink socket", errno};
  close(*fd);
  return failure;
}
