/*
 * Finds the routers of a link by an echo request. Node's dgram cannot receive the replies: it
 * converts the ifindex of a link-local sender to a name in this process's own netns, and fails if
 * no link there has that ifindex.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <netinet/icmp6.h>
#include <poll.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "deadline.h"
#include "echo-request.h"
#include "netns.h"

/* A ping socket: the kernel sets id and checksum, and passes only replies with that id. */
static struct failure open_here(const void *what, int *fd) {
  (void)what;
  *fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, IPPROTO_ICMPV6);
  return *fd < 0 ? (struct failure){"open an echo socket", errno} : NO_FAILURE;
}

static struct sockaddr_in6 on_link(struct in6_addr address, int ifindex) {
  return (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_addr = address, .sin6_scope_id = (uint32_t)ifindex};
}

/* Sends the request from the source, whose scope also binds the socket to the link. */
static struct failure send_request(int socket, const struct question *question) {
  static const struct in6_addr ALL_ROUTERS = {.s6_addr = {0xff, 0x02, [15] = 0x02}};
  const struct icmp6_hdr request = {.icmp6_type = ICMP6_ECHO_REQUEST};
  const struct sockaddr_in6 source = on_link(question->source, question->ifindex);
  const struct sockaddr_in6 routers = on_link(ALL_ROUTERS, question->ifindex);
  const int off = 0; /* the pod itself may be a router */
  if (bind(socket, (const struct sockaddr *)&source, sizeof source) < 0) return (struct failure){"bind an echo socket", errno};
  if (setsockopt(socket, IPPROTO_IPV6, IPV6_MULTICAST_LOOP, &off, sizeof off) < 0)
    return (struct failure){"setsockopt IPV6_MULTICAST_LOOP", errno};
  if (sendto(socket, &request, sizeof request, MSG_DONTWAIT, (const struct sockaddr *)&routers, sizeof routers) < 0)
    return (struct failure){"send an echo request", errno};
  return NO_FAILURE;
}

static bool is_new(const struct in6_addr *address, const struct bytes *addresses) {
  if (!IN6_IS_ADDR_LINKLOCAL(address)) return false;
  for (size_t at = 0; at < addresses->length; at += sizeof *address)
    if (memcmp(addresses->data + at, address, sizeof *address) == 0) return false;
  return true;
}

/* Checks the deadline after each reply, because anyone on the link may send them for ever. */
static struct failure receive_replies(int socket, const struct question *question, struct bytes *addresses) {
  deadline deadline = deadline_in(question->milliseconds);
  do {
    struct sockaddr_in6 from = {0};
    socklen_t from_length = sizeof from;
    ssize_t got = recvfrom(socket, NULL, 0, MSG_DONTWAIT, (struct sockaddr *)&from, &from_length);
    if (got < 0 && errno != EAGAIN && errno != EINTR) return (struct failure){"receive an echo reply", errno};
    if (got >= 0 && is_new(&from.sin6_addr, addresses)) {
      struct failure failure = append(addresses, &from.sin6_addr, sizeof from.sin6_addr);
      if (failure.request != NULL) return failure;
    }
    if (addresses->length >= (size_t)question->most * sizeof from.sin6_addr) break;
    if (got >= 0) continue;
    struct pollfd polled = {.fd = socket, .events = POLLIN};
    poll(&polled, 1, left_until(deadline));
  } while (!is_over(deadline));
  return NO_FAILURE;
}

struct failure ask_routers(const struct question *question, struct bytes *addresses) {
  int socket;
  struct failure failure = open_in(question->netns, open_here, NULL, &socket);
  if (failure.request != NULL) return failure;
  failure = send_request(socket, question);
  if (failure.request == NULL) failure = receive_replies(socket, question, addresses);
  close(socket);
  return failure;
}
