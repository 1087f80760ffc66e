/*
 * Preloaded into an agent. Interrupts the agent before or after one of its kernel requests, or
 * makes the request fail.
 *
 * TAPWIRE_TRAP is the path of a directory. Every request reads its file `at`: "NTH POINT ACTION".
 * POINT is one of the names below. The thread that reaches POINT for the NTH time renames `at` to
 * `reached`, so that all other requests pass, and does ACTION:
 *   kill    kills the process
 *   stop    stops the process
 *   hold    waits for the file `release`
 *   NUMBER  makes the request fail with that errno
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <linux/if_tun.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;
static int seen;

static void path_of(char path[256], const char *name) { snprintf(path, 256, "%s/%s", getenv("TAPWIRE_TRAP"), name); }

/* Whether this is the request to interrupt; if so, sets `action`. */
static int is_trapped(const char *point, char action[16]) {
  char at[256], reached[256], wanted[32];
  int nth, is_it = 0;
  path_of(at, "at");
  path_of(reached, "reached");
  pthread_mutex_lock(&turn);
  FILE *file = fopen(at, "re");
  if (file != NULL) {
    is_it = fscanf(file, "%d %31s %15s", &nth, wanted, action) == 3 && strcmp(wanted, point) == 0 && ++seen == nth;
    fclose(file);
    if (is_it) {
      seen = 0;
      if (rename(at, reached) < 0) abort();
    }
  }
  pthread_mutex_unlock(&turn);
  return is_it;
}

/* Does the action if this is the request for it. Returns 0, or the errno to fail with. */
static int pass(const char *point) {
  int error = errno, failure = 0;
  char action[16], release[256];
  if (is_trapped(point, action)) {
    path_of(release, "release");
    if (strcmp(action, "kill") == 0) kill(getpid(), SIGKILL);
    else if (strcmp(action, "stop") == 0) kill(getpid(), SIGSTOP);
    else if (strcmp(action, "hold") == 0)
      while (access(release, F_OK) < 0) usleep(1000);
    else failure = atoi(action);
  }
  errno = failure != 0 ? failure : error;
  return failure;
}

/* The protocol of a netlink socket, or -1. */
static int netlink_protocol(int fd) {
  int domain = -1, protocol = -1;
  socklen_t length = sizeof domain;
  if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &length) < 0 || domain != AF_NETLINK) return -1;
  getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &length);
  return protocol;
}

ssize_t send(int fd, const void *data, size_t length, int flags) {
  const struct nlmsghdr *message = data;
  const char *before = NULL, *after = NULL;
  int protocol = netlink_protocol(fd);
  if (protocol == NETLINK_NETFILTER) {
    if (message->nlmsg_type == NFNL_MSG_BATCH_BEGIN) before = "batch", after = "batched";
  } else if (protocol >= 0) {
    int asks = (message->nlmsg_flags & NLM_F_DUMP) == NLM_F_DUMP;
    before = asks ? "dump" : "change";
    /* The kernel has done the request, and the agent has not read the answer yet. */
    after = asks ? "dumped" : message->nlmsg_type == RTM_DELLINK ? "deleted" : "changed";
  }
  if (before != NULL && pass(before) != 0) return -1;
  ssize_t (*real)(int, const void *, size_t, int) = (ssize_t(*)(int, const void *, size_t, int))dlsym(RTLD_NEXT, "send");
  ssize_t sent = real(fd, data, length, flags);
  if (after != NULL) pass(after);
  return sent;
}

int socket(int domain, int type, int protocol) {
  if (domain == AF_NETLINK && protocol == NETLINK_NETFILTER && pass("netfilter") != 0) return -1;
  int (*real)(int, int, int) = (int (*)(int, int, int))dlsym(RTLD_NEXT, "socket");
  return real(domain, type, protocol);
}

int ioctl(int fd, unsigned long request, ...) {
  va_list arguments;
  va_start(arguments, request);
  void *argument = va_arg(arguments, void *);
  va_end(arguments);
  const char *point = request == TUNSETIFF ? "create" : request == TUNSETPERSIST ? "persist" : NULL;
  if (point != NULL && pass(point) != 0) return -1;
  int (*real)(int, unsigned long, ...) = (int (*)(int, unsigned long, ...))dlsym(RTLD_NEXT, "ioctl");
  return real(fd, request, argument);
}
