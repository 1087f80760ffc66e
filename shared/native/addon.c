/*
 * The kernel requests that Node has no API for. native.ts declares them. This file holds the
 * requests that never wait for the kernel, and exports all functions of the addon.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/nsfs.h>
#include <malloc.h>
#include <net/if.h>
#include <sched.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "guest-socket.h"
#include "job.h"
#include "jobs.h"
#include "link-events.h"
#include "nfnetlink.h"
#include "unix-socket.h"
#include "values.h"
#include "watch.h"
#include "write.h"

/* isNetns(fd) -> whether the descriptor refers to a network namespace */
static napi_value js_is_netns(napi_env env, napi_callback_info info) {
  napi_value arguments[MAX_ARGUMENTS];
  long fd;
  if (!read_arguments(env, info, 1, arguments) || !read_number(env, arguments[0], &fd)) return NULL;
  return boolean(env, ioctl((int)fd, NS_GET_NSTYPE) == CLONE_NEWNET);
}

/* isSameFile(fd, other) -> whether both descriptors refer to the same file */
static napi_value js_is_same_file(napi_env env, napi_callback_info info) {
  napi_value arguments[MAX_ARGUMENTS];
  long fd[2];
  struct stat file[2];
  if (!read_arguments(env, info, 2, arguments)) return NULL;
  for (int i = 0; i < 2; i++) {
    if (!read_number(env, arguments[i], &fd[i])) return NULL;
    if (fstat((int)fd[i], &file[i]) < 0) return throw_failure(env, (struct failure){"fstat", errno});
  }
  return boolean(env, file[0].st_dev == file[1].st_dev && file[0].st_ino == file[1].st_ino);
}

/*
 * tryLock(fd) -> whether this process holds the exclusive lock now. The lock belongs to the open
 * file and lasts until its last descriptor is closed.
 */
static napi_value js_try_lock(napi_env env, napi_callback_info info) {
  napi_value arguments[MAX_ARGUMENTS];
  long fd;
  if (!read_arguments(env, info, 1, arguments) || !read_number(env, arguments[0], &fd)) return NULL;
  bool held = flock((int)fd, LOCK_EX | LOCK_NB) == 0;
  if (!held && errno != EWOULDBLOCK && errno != EINTR) return throw_failure(env, (struct failure){"flock", errno});
  return boolean(env, held);
}

/*
 * strerror(errno) -> the C library's text. Administrators search for that text; libuv's differs for
 * some errors.
 */
static napi_value js_strerror(napi_env env, napi_callback_info info) {
  napi_value arguments[MAX_ARGUMENTS], result;
  long number;
  if (!read_arguments(env, info, 1, arguments) || !read_number(env, arguments[0], &number)) return NULL;
  napi_create_string_utf8(env, strerror((int)number), NAPI_AUTO_LENGTH, &result);
  return result;
}

/* chroot(path): for all threads of this process */
static napi_value js_chroot(napi_env env, napi_callback_info info) {
  napi_value arguments[MAX_ARGUMENTS];
  char path[4096];
  if (!read_arguments(env, info, 1, arguments) || !read_text(env, arguments[0], path, sizeof path)) return NULL;
  if (chroot(path) < 0) return throw_failure(env, (struct failure){"chroot", errno});
  return NULL;
}

/* makeDevice(path, major, minor): a character device that only root may open */
static napi_value js_make_device(napi_env env, napi_callback_info info) {
  napi_value arguments[MAX_ARGUMENTS];
  char path[4096];
  long major, minor;
  if (!read_arguments(env, info, 3, arguments) || !read_text(env, arguments[0], path, sizeof path) ||
      !read_number(env, arguments[1], &major) || !read_number(env, arguments[2], &minor))
    return NULL;
  if (mknod(path, S_IFCHR | 0600, makedev((unsigned)major, (unsigned)minor)) < 0)
    return throw_failure(env, (struct failure){"mknod", errno});
  return NULL;
}

/* closeNftables(fd) */
static napi_value js_close_nftables(napi_env env, napi_callback_info info) {
  napi_value arguments[MAX_ARGUMENTS];
  long fd;
  if (!read_arguments(env, info, 1, arguments) || !read_number(env, arguments[0], &fd)) return NULL;
  close_nfnetlink((int)fd);
  return NULL;
}

/* countOverdue(milliseconds) -> number of threads that have been in one operation for longer */
static napi_value js_count_overdue(napi_env env, napi_callback_info info) {
  napi_value arguments[MAX_ARGUMENTS];
  long milliseconds;
  if (!read_arguments(env, info, 1, arguments) || !read_number(env, arguments[0], &milliseconds)) return NULL;
  return integer(env, count_overdue(milliseconds));
}

/* write(fd, buffer, offset, milliseconds) -> number of bytes written */
static napi_value js_write(napi_env env, napi_callback_info info) {
  napi_value arguments[MAX_ARGUMENTS];
  long fd, offset, milliseconds;
  void *data;
  size_t size, written;
  if (!read_arguments(env, info, 4, arguments) || !read_number(env, arguments[0], &fd) ||
      !read_bytes(env, arguments[1], &data, &size) || !read_number(env, arguments[2], &offset) ||
      !read_number(env, arguments[3], &milliseconds))
    return NULL;
  if (offset < 0 || (size_t)offset > size) {
    napi_throw_range_error(env, NULL, "offset outside of the buffer");
    return NULL;
  }
  struct failure failure = write_within((int)fd, (char *)data + offset, size - (size_t)offset, (int)milliseconds, &written);
  return failure.request != NULL ? throw_failure(env, failure) : integer(env, (int)written);
}

/* listen(path) -> descriptor */
static napi_value js_listen(napi_env env, napi_callback_info info) {
  napi_value arguments[MAX_ARGUMENTS];
  char path[4096];
  int fd;
  if (!read_arguments(env, info, 1, arguments) || !read_text(env, arguments[0], path, sizeof path)) return NULL;
  struct failure failure = listen_at(path, &fd);
  return failure.request != NULL ? throw_failure(env, failure) : integer(env, fd);
}

/* accept(listener) -> [descriptor, uid], or null if no client is waiting */
static napi_value js_accept(napi_env env, napi_callback_info info) {
  napi_value arguments[MAX_ARGUMENTS], null;
  long listener;
  int fd;
  uid_t uid = 0;
  if (!read_arguments(env, info, 1, arguments) || !read_number(env, arguments[0], &listener)) return NULL;
  struct failure failure = accept_client((int)listener, &fd, &uid);
  if (failure.request != NULL) return throw_failure(env, failure);
  napi_get_null(env, &null);
  return fd < 0 ? null : integers(env, (int[]){fd, (int)uid}, 2);
}

/* openLinkEvents(groups) -> descriptor */
static napi_value js_open_link_events(napi_env env, napi_callback_info info) {
  napi_value arguments[MAX_ARGUMENTS];
  long groups;
  int fd;
  if (!read_arguments(env, info, 1, arguments) || !read_number(env, arguments[0], &groups)) return NULL;
  struct failure failure = open_link_events((uint32_t)groups, &fd);
  return failure.request != NULL ? throw_failure(env, failure) : integer(env, fd);
}

/* openGuestSocket(service, ifname, id) -> descriptor */
static napi_value js_open_guest_socket(napi_env env, napi_callback_info info) {
  napi_value arguments[MAX_ARGUMENTS];
  long service, id;
  char ifname[IF_NAMESIZE];
  int fd;
  if (!read_arguments(env, info, 3, arguments) || !read_number(env, arguments[0], &service) ||
      !read_text(env, arguments[1], ifname, sizeof ifname) || !read_number(env, arguments[2], &id))
    return NULL;
  if (service < 0 || service >= SERVICES) {
    napi_throw_range_error(env, NULL, "no such service");
    return NULL;
  }
  struct failure failure = open_guest_socket((enum service)service, ifname, (unsigned)id, &fd);
  return failure.request != NULL ? throw_failure(env, failure) : integer(env, fd);
}

/*
 * receive(fd, buffer, offset) -> [length, …descriptors]; length is 0 at the end, -1 if no data
 * waits
 */
static napi_value js_receive(napi_env env, napi_callback_info info) {
  napi_value arguments[MAX_ARGUMENTS];
  long fd, offset;
  void *data;
  size_t size, count;
  ssize_t length;
  int received[1 + MAX_PASSED];
  if (!read_arguments(env, info, 3, arguments) || !read_number(env, arguments[0], &fd) ||
      !read_bytes(env, arguments[1], &data, &size) || !read_number(env, arguments[2], &offset))
    return NULL;
  if (offset < 0 || (size_t)offset >= size) {
    napi_throw_range_error(env, NULL, "offset outside of the buffer");
    return NULL;
  }
  struct failure failure = receive_passed((int)fd, (char *)data + offset, size - (size_t)offset, &length, received + 1, &count);
  if (failure.request != NULL) return throw_failure(env, failure);
  received[0] = (int)length;
  return integers(env, received, 1 + count);
}

NAPI_MODULE_INIT() {
  /*
   * Limits the number of malloc arenas. By default each thread of the pool gets one of its own, for
   * the few hundred bytes that a reply takes.
   */
  mallopt(M_ARENA_MAX, 2);
  /*
   * Fixes the threshold at glibc's initial value. Otherwise glibc raises it to the size of the
   * largest block ever freed, and smaller blocks then fragment the heap.
   */
  mallopt(M_MMAP_THRESHOLD, 128 * 1024);
  const struct {
    const char *name;
    napi_callback function;
  } functions[] = {
      {"newNetns", js_new_netns},
      {"askRouters", js_ask_routers},
      {"readPodSocket", js_read_pod_socket},
      {"run", js_run},
      {"closeNftables", js_close_nftables},
      {"countOverdue", js_count_overdue},
      {"write", js_write},
      {"isNetns", js_is_netns},
      {"isSameFile", js_is_same_file},
      {"tryLock", js_try_lock},
      {"strerror", js_strerror},
      {"chroot", js_chroot},
      {"makeDevice", js_make_device},
      {"listen", js_listen},
      {"accept", js_accept},
      {"receive", js_receive},
      {"openLinkEvents", js_open_link_events},
      {"openGuestSocket", js_open_guest_socket},
      {"watch", watch},
      {"unwatch", unwatch},
  };
  for (size_t i = 0; i < sizeof functions / sizeof functions[0]; i++) {
    napi_value function;
    napi_create_function(env, functions[i].name, NAPI_AUTO_LENGTH, functions[i].function, NULL, &function);
    napi_set_named_property(env, exports, functions[i].name, function);
  }
  return exports;
}
