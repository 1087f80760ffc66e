/*
 * Opens descriptors in other network namespaces.
 *
 * setns(2) switches one thread. The thread that runs JavaScript never switches. A thread of the
 * pool does, for the few microseconds that it takes to open a descriptor, and then switches back.
 * (A child of clone(2), which would not have to switch back, takes seven times as long.) Sockets
 * and descriptors of /dev/net/tun keep the netns in which they were opened, so all later requests
 * can be made from this process's netns.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "netns.h"

static int home = -1;

/* Opens this process's own netns once, so that threads can switch back to it. */
static struct failure open_home(void) {
  static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
  struct failure failure = NO_FAILURE;
  pthread_mutex_lock(&lock);
  if (home < 0) home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
  if (home < 0) failure = (struct failure){"open /proc/self/ns/net", errno};
  pthread_mutex_unlock(&lock);
  return failure;
}

/*
 * Switches the thread back to this process's own netns. Aborts on failure, for which the kernel has
 * no reason: a thread left in a pod's netns would keep that netns alive and do the work for the
 * next pod there.
 */
static void return_home(void) {
  if (setns(home, CLONE_NEWNET) < 0) abort();
}

struct failure visit(int netns, struct failure (*act)(void *), void *argument) {
  if (netns < 0) return act(argument);
  struct failure failure = open_home();
  if (failure.request != NULL) return failure;
  if (setns(netns, CLONE_NEWNET) < 0) return (struct failure){"enter the netns", errno};
  failure = act(argument);
  return_home();
  return failure;
}

struct opening {
  struct failure (*open_here)(const void *what, int *fd);
  const void *what;
  int *fd;
};

static struct failure open_it(void *argument) {
  const struct opening *opening = argument;
  return opening->open_here(opening->what, opening->fd);
}

struct failure open_in(int netns, struct failure (*open_here)(const void *, int *), const void *what, int *fd) {
  return visit(netns, open_it, &(struct opening){open_here, what, fd});
}

static struct failure open_rtnetlink_here(const void *what, int *fd) {
  (void)what;
  *fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
  return *fd < 0 ? (struct failure){"open a netlink socket", errno} : NO_FAILURE;
}

static struct failure open_tun_here(const void *what, int *fd) {
  (void)what;
  *fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
  return *fd < 0 ? (struct failure){"open /dev/net/tun", errno} : NO_FAILURE;
}

struct failure open_rtnetlink(int netns, int *fd) {
  struct failure failure = open_in(netns, open_rtnetlink_here, NULL, fd);
  if (failure.request != NULL) return failure;
  int on = 1;
  /*
   * Kernels before 4.12 lack the first two options, kernels before 4.20 the third. There, errors
   * come without an explanation and dumps are not filtered.
   */
  setsockopt(*fd, SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof on);
  setsockopt(*fd, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof on);
  setsockopt(*fd, SOL_NETLINK, NETLINK_GET_STRICT_CHK, &on, sizeof on);
  return NO_FAILURE;
}

struct failure open_tun(int netns, int *fd) { return open_in(netns, open_tun_here, NULL, fd); }

struct failure new_netns(int *fd) {
  struct failure failure = open_home();
  if (failure.request != NULL) return failure;
  if (unshare(CLONE_NEWNET) < 0) return (struct failure){"unshare", errno};
  *fd = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
  if (*fd < 0) failure = (struct failure){"open /proc/thread-self/ns/net", errno};
  return_home();
  return failure;
}
