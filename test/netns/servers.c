/*
 * Stands in for the servers of a guest, on its tap: `servers TAP ADVERTISEMENT`. Opens the sockets
 * that a user without capabilities can open. Prints each request as a line, `dhcp4`, `dhcp6` or
 * `router` and the content in hex. Sends the content of a DHCP request back as the answer, and the
 * advertisement, an echo request in hex, after each message to its ping socket. Exits at the end of
 * stdin.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <net/if.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum { MAX_MESSAGE = 2048, DHCP4 = 67, DHCP4_CLIENT = 68, DHCP6 = 547, ADVERTISEMENT_ID = 0x40c0, UNFORWARDED = 255 };

static const char *tap;
static unsigned char advertisement[MAX_MESSAGE];
static size_t advertisement_length;

static void fail(const char *what) {
  perror(what);
  exit(1);
}

static void set(int socket, int level, int option, const void *value, socklen_t length) {
  if (setsockopt(socket, level, option, value, length) < 0) fail("setsockopt");
}

static void set_number(int socket, int level, int option, int value) {
  set(socket, level, option, &value, sizeof value);
}

static int open_on_tap(int family, int protocol) {
  int fd = socket(family, SOCK_DGRAM, protocol);
  if (fd < 0) fail("socket");
  set(fd, SOL_SOCKET, SO_BINDTODEVICE, tap, (socklen_t)strlen(tap) + 1);
  return fd;
}

static void bind_to(int fd, const void *address, socklen_t length) {
  if (bind(fd, address, length) < 0) fail("bind");
}

static void join(int fd, const char *group) {
  struct ipv6_mreq request = {.ipv6mr_interface = if_nametoindex(tap)};
  inet_pton(AF_INET6, group, &request.ipv6mr_multiaddr);
  set(fd, IPPROTO_IPV6, IPV6_ADD_MEMBERSHIP, &request, sizeof request);
}

static int open_dhcp4(void) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(DHCP4)};
  int fd = open_on_tap(AF_INET, 0);
  set_number(fd, SOL_SOCKET, SO_BROADCAST, 1);
  bind_to(fd, &address, sizeof address);
  return fd;
}

static int open_dhcp6(void) {
  struct sockaddr_in6 address = {.sin6_family = AF_INET6, .sin6_port = htons(DHCP6)};
  int fd = open_on_tap(AF_INET6, 0);
  set_number(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
  bind_to(fd, &address, sizeof address);
  join(fd, "ff02::1:2");
  return fd;
}

static int open_router(void) {
  struct sockaddr_in6 address = {.sin6_family = AF_INET6, .sin6_port = htons(ADVERTISEMENT_ID)};
  int fd = open_on_tap(AF_INET6, IPPROTO_ICMPV6);
  set_number(fd, IPPROTO_IPV6, IPV6_MULTICAST_HOPS, UNFORWARDED);
  set_number(fd, IPPROTO_IPV6, IPV6_MULTICAST_IF, (int)if_nametoindex(tap));
  bind_to(fd, &address, sizeof address);
  join(fd, "ff02::2");
  return fd;
}

static void advertise(int router) {
  struct sockaddr_in6 nodes = {.sin6_family = AF_INET6, .sin6_scope_id = if_nametoindex(tap)};
  inet_pton(AF_INET6, "ff02::1", &nodes.sin6_addr);
  if (sendto(router, advertisement, advertisement_length, 0, (struct sockaddr *)&nodes, sizeof nodes) < 0) fail("advertise");
}

static void serve(int fd, const char *name) {
  static unsigned char message[MAX_MESSAGE];
  struct sockaddr_storage from;
  socklen_t from_length = sizeof from;
  ssize_t length = recvfrom(fd, message, sizeof message, 0, (struct sockaddr *)&from, &from_length);
  if (length < 0) fail("receive");
  printf("%s ", name);
  for (ssize_t i = 0; i < length; i++) printf("%02x", message[i]);
  putchar('\n');
  fflush(stdout);
  if (strcmp(name, "router") == 0) {
    advertise(fd);
    return;
  }
  struct sockaddr_in everybody = {.sin_family = AF_INET, .sin_port = htons(DHCP4_CLIENT), .sin_addr.s_addr = INADDR_BROADCAST};
  if (from.ss_family == AF_INET) {
    memcpy(&from, &everybody, sizeof everybody);
    from_length = sizeof everybody;
  }
  if (sendto(fd, message, (size_t)length, 0, (struct sockaddr *)&from, from_length) < 0) fail("answer");
}

int main(int argc, char **argv) {
  unsigned byte;
  if (argc != 3) return 2;
  tap = argv[1];
  while (sscanf(argv[2] + 2 * advertisement_length, "%2x", &byte) == 1)
    advertisement[advertisement_length++] = (unsigned char)byte;
  struct pollfd ready[] = {{.fd = open_dhcp4(), .events = POLLIN},
                           {.fd = open_dhcp6(), .events = POLLIN},
                           {.fd = open_router(), .events = POLLIN},
                           {.fd = 0, .events = POLLIN}};
  static const char *const NAMES[] = {"dhcp4", "dhcp6", "router"};
  puts("ready");
  fflush(stdout);
  for (;;) {
    if (poll(ready, 4, -1) < 0) fail("poll");
    for (int i = 0; i < 3; i++)
      if (ready[i].revents != 0) serve(ready[i].fd, NAMES[i]);
    if (ready[3].revents != 0) return 0;
  }
}
