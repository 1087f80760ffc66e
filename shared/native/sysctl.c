/*
 * Reads and writes sysctls of a netns. A file of /proc/sys/net belongs to the netns that the thread
 * is in when it opens the file. The descriptor keeps that netns, so reading and writing can happen
 * outside it.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "netns.h"
#include "sysctl.h"

static const char PROC[] = "/proc/";

static const char *const PATHS[SYSCTL_COUNT] = {
    [SYSCTL_UNPRIVILEGED_PORT_START] = "/proc/sys/net/ipv4/ip_unprivileged_port_start",
    [SYSCTL_PING_GROUP_RANGE] = "/proc/sys/net/ipv4/ping_group_range",
};

/*
 * Creates a procfs that is not mounted anywhere and disappears with its descriptor. Requires Linux
 * 5.2 and CAP_SYS_ADMIN. (Uses syscall(2), because C libraries have these calls only since 2022.)
 */
static int make_proc(void) {
  int context = (int)syscall(SYS_fsopen, "proc", FSOPEN_CLOEXEC);
  if (context < 0) return -1;
  int proc = -1;
  if (syscall(SYS_fsconfig, context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) == 0)
    proc = (int)syscall(SYS_fsmount, context, FSMOUNT_CLOEXEC, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
  int error = errno;
  close(context);
  errno = error;
  return proc;
}

struct opening {
  const char *path;
  int flags;
};

/*
 * Opens a sysctl. In a container, whatever its capabilities, /proc/sys may be read-only or missing.
 * Then opens the sysctl in a new procfs.
 */
static struct failure open_here(const void *what, int *fd) {
  const struct opening *opening = what;
  *fd = open(opening->path, opening->flags);
  if (*fd >= 0) return NO_FAILURE;
  if (errno != EROFS && errno != ENOENT) return (struct failure){"open", errno};

  int proc = make_proc();
  if (proc < 0) return (struct failure){"make a procfs", errno};
  *fd = openat(proc, opening->path + strlen(PROC), opening->flags);
  struct failure failure = *fd < 0 ? (struct failure){"open", errno} : NO_FAILURE;
  close(proc);
  return failure;
}

static struct failure open_sysctl(int netns, unsigned key, int flags, int *fd) {
  struct opening opening = {.path = PATHS[key], .flags = flags | O_CLOEXEC};
  return open_in(netns, open_here, &opening, fd);
}

struct failure read_sysctl(int netns, const struct sysctl *sysctl, struct bytes *value) {
  enum { SIZE = 64 };
  int fd;
  struct failure failure = open_sysctl(netns, sysctl->key, O_RDONLY, &fd);
  if (failure.request != NULL) return failure;
  *value = (struct bytes){.data = malloc(SIZE)};
  ssize_t length = value->data == NULL ? -1 : read(fd, value->data, SIZE);
  if (length < 0) failure = (struct failure){"read", errno};
  else value->length = (size_t)length;
  close(fd);
  return failure;
}

struct failure write_sysctl(int netns, const struct sysctl *sysctl) {
  int fd;
  struct failure failure = open_sysctl(netns, sysctl->key, O_WRONLY, &fd);
  if (failure.request != NULL) return failure;
  if (write(fd, sysctl->value, strlen(sysctl->value)) < 0) failure = (struct failure){"write", errno};
  close(fd);
  return failure;
}
