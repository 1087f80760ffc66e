/*
 * Opens descriptors in other network namespaces.
 *
 * A namespace switch belongs to a thread, and threads that Node starts while one is switched stay behind in the foreign
 * namespace. So no thread of Node's ever switches: a short-lived child that shares memory and descriptors (vfork-like)
 * enters the netns, opens a descriptor there and exits. Sockets and /dev/net/tun descriptors keep the netns that they were
 * opened in, so that all later requests can be made from here.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "netns.h"

struct visit {
  int netns;
  struct failure (*open)(int *fd);
  int fd;
  struct failure failure;
};

static struct failure open_rtnetlink_here(int *fd) {
  *fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
  return *fd < 0 ? (struct failure){"open a netlink socket", errno} : NO_FAILURE;
}

static struct failure open_tun_here(int *fd) {
  *fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
  return *fd < 0 ? (struct failure){"open /dev/net/tun", errno} : NO_FAILURE;
}

static struct failure open_own_netns(int *fd) {
  *fd = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
  return *fd < 0 ? (struct failure){"open /proc/self/ns/net", errno} : NO_FAILURE;
}

static int visit_netns(void *argument) {
  struct visit *visit = argument;
  if (visit->netns >= 0 && setns(visit->netns, CLONE_NEWNET) < 0)
    visit->failure = (struct failure){"enter the netns", errno};
  else
    visit->failure = visit->open(&visit->fd);
  return 0;
}

/* Runs the visit in a child that shares our memory and descriptors, with `flags` of clone(2) besides. */
static struct failure run_in_child(struct visit *visit, int flags, int *fd) {
  /* This thread waits while the child runs on our memory: no signal handler of Node may run in the child. */
  char stack[16384] __attribute__((aligned(16)));
  sigset_t all, before;
  sigfillset(&all);
  /* What a child leaves that is killed before it has done anything. */
  visit->failure = (struct failure){"wait for a child in the netns", ECHILD};
  pthread_sigmask(SIG_SETMASK, &all, &before);
  int child = clone(visit_netns, stack + sizeof stack, CLONE_VM | CLONE_FILES | CLONE_VFORK | flags, visit);
  if (child < 0) visit->failure = (struct failure){"start a child", errno};
  else
    while (waitpid(child, NULL, __WALL) < 0 && errno == EINTR) continue;
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  *fd = visit->fd;
  return visit->failure;
}

static struct failure open_in(int netns, struct failure (*open_here)(int *), int *fd) {
  if (netns < 0) return open_here(fd);
  struct visit visit = {.netns = netns, .open = open_here, .fd = -1};
  return run_in_child(&visit, 0, fd);
}

struct failure open_rtnetlink(int netns, int *fd) {
  struct failure failure = open_in(netns, open_rtnetlink_here, fd);
  if (failure.request != NULL) return failure;
  int on = 1;
  /* Kernels before 4.12 (4.20 for strict checking) lack these; then errors are bare and dumps are not filtered. */
  setsockopt(*fd, SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof on);
  setsockopt(*fd, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof on);
  setsockopt(*fd, SOL_NETLINK, NETLINK_GET_STRICT_CHK, &on, sizeof on);
  return NO_FAILURE;
}

struct failure open_tun(int netns, int *fd) { return open_in(netns, open_tun_here, fd); }

struct failure new_netns(int *fd) {
  struct visit visit = {.netns = -1, .open = open_own_netns, .fd = -1};
  return run_in_child(&visit, CLONE_NEWNET, fd);
}
