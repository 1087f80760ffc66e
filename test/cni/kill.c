/*
 * Preloaded into Node. Logs the process's calls that send a request to the kernel, change a device
 * node, close a descriptor of interest or write a result, and kills the process before one of them.
 * Covers all threads, the one that deletes a link included.
 *
 * TAPWIRE_KILL is the path of a directory. Its file `at` names the call to die before: "2 ioctl
 * TUNSETIFF" is the second of that kind. Without `at` nothing is counted. The file `log` gets a
 * line for each call. With a file `fail`, the call fails instead, with the error number in it; the
 * second number in it is different in every round, and counting starts again with each.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/netlink.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;
static int seen;

static int open_in_directory(const char *name, int flags) {
  const char *directory = getenv("TAPWIRE_KILL");
  char path[256];
  if (directory == NULL) return -1;
  snprintf(path, sizeof path, "%s/%s", directory, name);
  return open(path, flags | O_CLOEXEC, 0600);
}

static int close_quietly(int fd) {
  int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, "close");
  return real(fd);
}

/* Reads the error number to fail with; 0 means to die. */
static int read_failure(void) {
  static char last[32];
  char text[32] = "";
  int number = 0, fail = open_in_directory("fail", O_RDONLY);
  if (fail < 0) return 0;
  if (read(fail, text, sizeof text - 1) > 0) sscanf(text, "%d", &number);
  close_quietly(fail);
  if (strcmp(text, last) != 0) seen = 0;
  strcpy(last, text);
  return number;
}

/* Returns 0 if the call may be made. Otherwise it must fail with errno as it is now. */
static int reach(const char *point) {
  int error = errno, failure = 0, at = open_in_directory("at", O_RDONLY);
  if (at >= 0) {
    pthread_mutex_lock(&turn);
    char wanted[256] = "", line[256];
    int which = 0, start = 0;
    if (read(at, wanted, sizeof wanted - 1) > 0) sscanf(wanted, "%d %n", &which, &start);
    int number = read_failure();
    int log = open_in_directory("log", O_WRONLY | O_CREAT | O_APPEND);
    int length = snprintf(line, sizeof line, "%s\n", point);
    if (write(log, line, (size_t)length) != length) abort();
    if (strcmp(wanted + start, point) == 0 && ++seen == which) {
      failure = number;
      if (failure == 0) {
        kill(getpid(), SIGKILL);
        for (;;) pause();
      }
    }
    close_quietly(log);
    close_quietly(at);
    pthread_mutex_unlock(&turn);
  }
  errno = failure == 0 ? error : failure;
  return failure == 0 ? 0 : -1;
}

/* Whether a path is that of a macvtap's device node, or of a descriptor of one. */
static int is_device_node(const char *path) {
  char target[64] = "";
  int error = errno;
  if (strncmp(path, "/proc/self/fd/", 14) == 0 && readlink(path, target, sizeof target - 1) > 0) path = target;
  errno = error;
  return strncmp(path, "/dev/tap", 8) == 0;
}

static int reach_file(const char *call, const char *path) {
  char point[64];
  snprintf(point, sizeof point, "file %s", call);
  return is_device_node(path) ? reach(point) : 0;
}

static int domain_of(int fd) {
  int domain = -1, error = errno;
  socklen_t length = sizeof domain;
  getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &length);
  errno = error;
  return domain;
}

ssize_t send(int fd, const void *data, size_t length, int flags) {
  if (domain_of(fd) == AF_NETLINK) {
    char point[200];
    int end = snprintf(point, sizeof point, "send");
    const struct nlmsghdr *message = data;
    for (size_t left = length; NLMSG_OK(message, left); message = NLMSG_NEXT(message, left))
      end += snprintf(point + end, sizeof point - (size_t)end, " %d%s", message->nlmsg_type,
                      (message->nlmsg_flags & NLM_F_DUMP) == NLM_F_DUMP ? "?" : "");
    if (reach(point) != 0) return -1;
  }
  ssize_t (*real)(int, const void *, size_t, int) = (ssize_t(*)(int, const void *, size_t, int))dlsym(RTLD_NEXT, "send");
  return real(fd, data, length, flags);
}

static const char *name_of(unsigned long request) {
  switch (request) {
    case TUNSETIFINDEX: return "ioctl TUNSETIFINDEX";
    case TUNSETIFF: return "ioctl TUNSETIFF";
    case TUNSETOWNER: return "ioctl TUNSETOWNER";
    case TUNSETGROUP: return "ioctl TUNSETGROUP";
    case TUNSETPERSIST: return "ioctl TUNSETPERSIST";
    default: return NULL;
  }
}

int ioctl(int fd, unsigned long request, ...) {
  va_list arguments;
  va_start(arguments, request);
  void *argument = va_arg(arguments, void *);
  va_end(arguments);
  if (name_of(request) != NULL && reach(name_of(request)) != 0) return -1;
  int (*real)(int, unsigned long, ...) = (int (*)(int, unsigned long, ...))dlsym(RTLD_NEXT, "ioctl");
  return real(fd, request, argument);
}

int close(int fd) {
  char link[64], target[64] = "";
  int error = errno;
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(link, target, sizeof target - 1);
  errno = error;
  if (length > 0) target[length] = '\0';
  if (strcmp(target, "/dev/net/tun") == 0) reach("close tun");
  else if (domain_of(fd) == AF_NETLINK) reach("close netlink");
  else if (strncmp(target, "net:[", 5) == 0 || strncmp(target, "/run/netns/", 11) == 0) reach("close netns");
  return close_quietly(fd);
}

int setsockopt(int fd, int level, int name, const void *value, socklen_t length) {
  if (level == SOL_NETLINK && reach("setsockopt") != 0) return -1;
  int (*real)(int, int, int, const void *, socklen_t) =
      (int (*)(int, int, int, const void *, socklen_t))dlsym(RTLD_NEXT, "setsockopt");
  return real(fd, level, name, value, length);
}

/* Whether the other end is kubelet: the messages of gRPC differ from call to call. */
static int is_kubelet(int fd) {
  struct sockaddr_un peer = {.sun_family = AF_UNIX};
  socklen_t length = sizeof peer;
  int error = errno;
  int failed = getpeername(fd, (struct sockaddr *)&peer, &length);
  errno = error;
  return failed == 0 && strstr(peer.sun_path, "kubelet.sock") != NULL;
}

static int is_ipv6_setting(int fd) {
  char link[64], target[128] = "";
  int error = errno;
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(link, target, sizeof target - 1);
  errno = error;
  return length > 0 && strstr(target, "/disable_ipv6") != NULL;
}

ssize_t write(int fd, const void *data, size_t length) {
  int is_result = fd == 1 || (fd > 2 && domain_of(fd) == AF_UNIX && !is_kubelet(fd)); /* not the log */
  if (is_result) reach("write");
  else if (fd > 2 && is_ipv6_setting(fd) && reach("file disable_ipv6") != 0) return -1;
  ssize_t (*real)(int, const void *, size_t) = (ssize_t(*)(int, const void *, size_t))dlsym(RTLD_NEXT, "write");
  return real(fd, data, length);
}

int mknod(const char *path, mode_t mode, dev_t number) {
  if (reach_file("mknod", path) != 0) return -1;
  int (*real)(const char *, mode_t, dev_t) = (int (*)(const char *, mode_t, dev_t))dlsym(RTLD_NEXT, "mknod");
  return real(path, mode, number);
}

int chown(const char *path, uid_t owner, gid_t group) {
  if (reach_file("chown", path) != 0) return -1;
  int (*real)(const char *, uid_t, gid_t) = (int (*)(const char *, uid_t, gid_t))dlsym(RTLD_NEXT, "chown");
  return real(path, owner, group);
}

int chmod(const char *path, mode_t mode) {
  if (reach_file("chmod", path) != 0) return -1;
  int (*real)(const char *, mode_t) = (int (*)(const char *, mode_t))dlsym(RTLD_NEXT, "chmod");
  return real(path, mode);
}

/* How Node.js deletes a file depends on its version. */
int unlink(const char *path) {
  if (reach_file("delete", path) != 0) return -1;
  int (*real)(const char *) = (int (*)(const char *))dlsym(RTLD_NEXT, "unlink");
  return real(path);
}

int unlinkat(int directory, const char *path, int flags) {
  if (reach_file("delete", path) != 0) return -1;
  int (*real)(int, const char *, int) = (int (*)(int, const char *, int))dlsym(RTLD_NEXT, "unlinkat");
  return real(directory, path, flags);
}

int remove(const char *path) {
  if (reach_file("delete", path) != 0) return -1;
  int (*real)(const char *) = (int (*)(const char *))dlsym(RTLD_NEXT, "remove");
  return real(path);
}
