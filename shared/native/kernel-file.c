/*
 * Reads and writes files of procfs and sysfs that belong to a netns: that of the thread which opens
 * a file of /proc/sys/net, or mounts a sysfs. The descriptor keeps the netns, so reading and
 * writing can happen outside it.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "kernel-file.h"
#include "netns.h"

/* Paths below /proc or /sys. "%s" is the name of a link, "%d" its ifindex. */
static const struct {
  const char *filesystem;
  const char *path;
} FILES[FILE_COUNT] = {
    [UNPRIVILEGED_PORT_START] = {"proc", "sys/net/ipv4/ip_unprivileged_port_start"},
    [PING_GROUP_RANGE] = {"proc", "sys/net/ipv4/ping_group_range"},
    [DISABLE_IPV6] = {"proc", "sys/net/ipv6/conf/%s/disable_ipv6"},
    [TAP_DEVICE] = {"sysfs", "class/net/%s/tap%d/dev"},
};

/*
 * Creates a file system that is not mounted anywhere and disappears with its descriptor. Requires
 * Linux 5.2 and CAP_SYS_ADMIN. (Uses syscall(2), because C libraries have these calls only since
 * 2022.)
 */
static int make_filesystem(const char *name) {
  int context = (int)syscall(SYS_fsopen, name, FSOPEN_CLOEXEC);
  if (context < 0) return -1;
  int root = -1;
  if (syscall(SYS_fsconfig, context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) == 0)
    root = (int)syscall(SYS_fsmount, context, FSMOUNT_CLOEXEC, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
  int error = errno;
  close(context);
  errno = error;
  return root;
}

struct opening {
  const char *filesystem;
  /* Begins with "/proc/" in a procfs. */
  char path[96];
  int flags;
};

static const char PROC[] = "/proc/";

/*
 * Opens the file. In a container, whatever its capabilities, /proc/sys may be read-only or missing,
 * and then a new procfs is made. A mounted sysfs shows the links of the netns that it was mounted
 * in, so a new one is always made.
 */
static struct failure open_here(const void *what, int *fd) {
  const struct opening *opening = what;
  bool is_proc = strcmp(opening->filesystem, "proc") == 0;
  if (is_proc) {
    *fd = open(opening->path, opening->flags);
    if (*fd >= 0) return NO_FAILURE;
    if (errno != EROFS && errno != ENOENT) return (struct failure){"open", errno};
  }
  int root = make_filesystem(opening->filesystem);
  if (root < 0) return (struct failure){is_proc ? "make a procfs" : "make a sysfs", errno};
  *fd = openat(root, opening->path + (is_proc ? strlen(PROC) : 0), opening->flags);
  struct failure failure = *fd < 0 ? (struct failure){"open", errno} : NO_FAILURE;
  close(root);
  return failure;
}

static struct failure open_file(int netns, const struct kernel_file *file, int flags, int *fd) {
  struct opening opening = {.filesystem = FILES[file->key].filesystem, .flags = flags | O_CLOEXEC};
  if (strchr(file->ifname, '/') != NULL || strcmp(file->ifname, "..") == 0) return (struct failure){"open", EINVAL};
  size_t prefix = 0;
  if (strcmp(opening.filesystem, "proc") == 0) prefix = (size_t)snprintf(opening.path, sizeof opening.path, "%s", PROC);
  /* Every pattern takes these two arguments, or the first of them, or none. */
  snprintf(opening.path + prefix, sizeof opening.path - prefix, FILES[file->key].path, file->ifname, file->ifindex);
  return open_in(netns, open_here, &opening, fd);
}

struct failure read_file(int netns, const struct kernel_file *file, struct bytes *text) {
  enum { SIZE = 64 };
  int fd;
  struct failure failure = open_file(netns, file, O_RDONLY, &fd);
  if (failure.request != NULL) return failure;
  *text = (struct bytes){.data = malloc(SIZE)};
  ssize_t length = text->data == NULL ? -1 : read(fd, text->data, SIZE);
  if (length < 0) failure = (struct failure){"read", errno};
  else text->length = (size_t)length;
  close(fd);
  return failure;
}

struct failure write_file(int netns, const struct kernel_file *file) {
  int fd;
  struct failure failure = open_file(netns, file, O_WRONLY, &fd);
  /* A kernel without IPv6 has nothing to disable, nor has a link whose MTU is below 1280. */
  if (failure.request != NULL && failure.number == ENOENT && file->key == DISABLE_IPV6) return NO_FAILURE;
  if (failure.request != NULL) return failure;
  if (write(fd, file->value, strlen(file->value)) < 0) failure = (struct failure){"write", errno};
  close(fd);
  return failure;
}
