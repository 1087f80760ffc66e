/* The system calls of the shim. Each returns the kernel's result; a failure is a negative errno. */
#pragma once

#include <asm/stat.h>
#include <asm/unistd.h>
#include <linux/errno.h>
#include <linux/fcntl.h>
#include <linux/poll.h>
#include <linux/resource.h>
#include <linux/signal.h>
#include <linux/stat.h>
#include <linux/time.h>
#include <linux/uio.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arch.h"

/* Socket constants that only the C library's headers define. */
enum { AF_UNIX = 1, SOCK_STREAM = 1, SOL_SOCKET = 1, SCM_RIGHTS = 1, MSG_NOSIGNAL = 0x4000 };

/* socket(7): the kernel's struct user_msghdr and struct cmsghdr. */
struct message {
  void *name;
  int name_length;
  struct iovec *parts;
  size_t part_count;
  void *control;
  size_t control_length;
  unsigned flags;
};
struct control_header {
  size_t length;
  int level;
  int type;
};

static inline _Noreturn void sys_exit(int status) {
  for (;;) system_call(__NR_exit_group, status, 0, 0, 0, 0);
}
static inline long sys_open_at(int directory, const char *path, int flags) {
  return system_call(__NR_openat, directory, (long)path, flags, 0, 0);
}
static inline long sys_open(const char *path, int flags) { return sys_open_at(AT_FDCWD, path, flags); }
static inline long sys_close(int fd) { return system_call(__NR_close, fd, 0, 0, 0, 0); }
static inline long sys_close_range(unsigned first, unsigned last) {
  return system_call(__NR_close_range, first, last, 0, 0, 0);
}
static inline long sys_read(int fd, void *buffer, size_t length) {
  return system_call(__NR_read, fd, (long)buffer, (long)length, 0, 0);
}
static inline long sys_write(int fd, const void *bytes, size_t length) {
  return system_call(__NR_write, fd, (long)bytes, (long)length, 0, 0);
}
static inline long sys_lseek(int fd, long offset) { return system_call(__NR_lseek, fd, offset, 0, 0, 0); }
static inline long sys_dup3(int fd, int as, int flags) { return system_call(__NR_dup3, fd, as, flags, 0, 0); }
static inline long sys_fcntl(int fd, int command) { return system_call(__NR_fcntl, fd, command, 0, 0, 0); }
static inline long sys_flock(int fd, int operation) { return system_call(__NR_flock, fd, operation, 0, 0, 0); }
static inline long sys_ioctl(int fd, unsigned long request, unsigned long argument) {
  return system_call(__NR_ioctl, fd, (long)request, (long)argument, 0, 0);
}
static inline long sys_stat_at(int directory, const char *path, struct stat *status, int flags) {
  return system_call(__NR_newfstatat, directory, (long)path, (long)status, flags, 0);
}
static inline long sys_stat_fd(int fd, struct stat *status) { return sys_stat_at(fd, "", status, AT_EMPTY_PATH); }
static inline long sys_getdents(int directory, void *entries, size_t size) {
  return system_call(__NR_getdents64, directory, (long)entries, (long)size, 0, 0);
}
static inline long sys_readlink(const char *path, char *target, size_t size) {
  return system_call(__NR_readlinkat, AT_FDCWD, (long)path, (long)target, (long)size, 0);
}
static inline long sys_fchdir(int directory) { return system_call(__NR_fchdir, directory, 0, 0, 0, 0); }
static inline long sys_memfd_create(const char *name) { return system_call(__NR_memfd_create, (long)name, 0, 0, 0, 0); }
static inline long sys_execve(const char *path, char *const *argv, char *const *environment) {
  return system_call(__NR_execve, (long)path, (long)argv, (long)environment, 0, 0);
}
/* Reads and sets a limit of this process. Either may be NULL. */
static inline long sys_prlimit(int resource, const struct rlimit64 *limit, struct rlimit64 *former) {
  return system_call(__NR_prlimit64, 0, resource, (long)limit, (long)former, 0);
}
static inline long sys_clock_gettime(int clock, struct timespec *time) {
  return system_call(__NR_clock_gettime, clock, (long)time, 0, 0, 0);
}
static inline long sys_ppoll(struct pollfd *polled, unsigned count, struct timespec *timeout) {
  return system_call(__NR_ppoll, (long)polled, count, (long)timeout, 0, 0);
}
static inline long sys_sigaction(int signal, const struct sigaction *action) {
  return system_call(__NR_rt_sigaction, signal, (long)action, 0, sizeof action->sa_mask, 0);
}
static inline long sys_socket(int family, int type) { return system_call(__NR_socket, family, type, 0, 0, 0); }
static inline long sys_connect(int fd, const void *address, size_t length) {
  return system_call(__NR_connect, fd, (long)address, (long)length, 0, 0);
}
static inline long sys_sendmsg(int fd, const struct message *message, int flags) {
  return system_call(__NR_sendmsg, fd, (long)message, flags, 0, 0);
}
