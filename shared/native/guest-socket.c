/*
 * The servers' sockets on a tap. Node's dgram sends and receives on them, but has no API for the
 * options that they need before they are bound.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "guest-socket.h"

enum { DHCP4_PORT = 67, DHCP6_PORT = 547, UNFORWARDED = 255 };

/* All_DHCP_Relay_Agents_and_Servers, and all routers. */
static const struct in6_addr DHCP6_SERVERS = {.s6_addr = {0xff, 0x02, [13] = 0x01, [15] = 0x02}};
static const struct in6_addr ALL_ROUTERS = {.s6_addr = {0xff, 0x02, [15] = 0x02}};

static struct failure set(int fd, int level, int option, int value, const char *request) {
  return setsockopt(fd, level, option, &value, sizeof value) < 0 ? (struct failure){request, errno} : NO_FAILURE;
}

static struct failure join(int fd, struct in6_addr group, unsigned ifindex) {
  const struct ipv6_mreq request = {group, ifindex};
  if (setsockopt(fd, IPPROTO_IPV6, IPV6_ADD_MEMBERSHIP, &request, sizeof request) < 0)
    return (struct failure){"setsockopt IPV6_ADD_MEMBERSHIP", errno};
  return NO_FAILURE;
}

static struct failure bind6(int fd, unsigned port) {
  const struct sockaddr_in6 address = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port)};
  return bind(fd, (const struct sockaddr *)&address, sizeof address) < 0 ? (struct failure){"bind", errno} : NO_FAILURE;
}

/* Runs a step unless one before it has failed. */
#define THEN(failure, step) \
  if ((failure).request == NULL) failure = (step)

static struct failure prepare_dhcp4(int fd) {
  const struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(DHCP4_PORT)};
  struct failure failure = set(fd, SOL_SOCKET, SO_BROADCAST, true, "setsockopt SO_BROADCAST");
  if (failure.request == NULL && bind(fd, (const struct sockaddr *)&address, sizeof address) < 0)
    return (struct failure){"bind", errno};
  return failure;
}

static struct failure prepare_dhcp6(int fd, unsigned ifindex) {
  struct failure failure = set(fd, IPPROTO_IPV6, IPV6_V6ONLY, true, "setsockopt IPV6_V6ONLY");
  THEN(failure, bind6(fd, DHCP6_PORT));
  THEN(failure, join(fd, DHCP6_SERVERS, ifindex));
  return failure;
}

/*
 * Without MULTICAST_LOOP, because the copy that the kernel would return to the tap has no Ethernet
 * header.
 */
static struct failure prepare_advertisement(int fd, unsigned ifindex, unsigned id) {
  struct failure failure = set(fd, IPPROTO_IPV6, IPV6_MULTICAST_HOPS, UNFORWARDED, "setsockopt IPV6_MULTICAST_HOPS");
  THEN(failure, set(fd, IPPROTO_IPV6, IPV6_MULTICAST_LOOP, false, "setsockopt IPV6_MULTICAST_LOOP"));
  THEN(failure, set(fd, IPPROTO_IPV6, IPV6_MULTICAST_IF, (int)ifindex, "setsockopt IPV6_MULTICAST_IF"));
  THEN(failure, bind6(fd, id));
  THEN(failure, join(fd, ALL_ROUTERS, ifindex));
  return failure;
}

static struct failure prepare(enum service service, int fd, const char *ifname, unsigned id) {
  const unsigned ifindex = if_nametoindex(ifname);
  if (ifindex == 0) return (struct failure){"if_nametoindex", errno};
  if (setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, ifname, (socklen_t)strlen(ifname)) < 0)
    return (struct failure){"setsockopt SO_BINDTODEVICE", errno};
  /* Others of the pod may serve other links on the same port, and echo requests have one id. */
  struct failure failure = set(fd, SOL_SOCKET, SO_REUSEADDR, true, "setsockopt SO_REUSEADDR");
  if (failure.request != NULL) return failure;
  switch (service) {
  case DHCP4: return prepare_dhcp4(fd);
  case DHCP6: return prepare_dhcp6(fd, ifindex);
  default: return prepare_advertisement(fd, ifindex, id);
  }
}

struct failure open_guest_socket(enum service service, const char *ifname, unsigned id, int *fd) {
  const int family = service == DHCP4 ? AF_INET : AF_INET6;
  const int protocol = service == ADVERTISEMENT ? IPPROTO_ICMPV6 : IPPROTO_UDP;
  *fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol);
  if (*fd < 0) return (struct failure){"socket", errno};
  struct failure failure = prepare(service, *fd, ifname, id);
  if (failure.request != NULL) close(*fd);
  return failure;
}
