#include "descriptors.h"

#include "kernel.h"

/*
 * Kernels before 5.9 lack close_range(2): there, only descriptors below MANY are closed. Container
 * runtimes are Go programs, which open everything close-on-exec anyway.
 */
enum { MANY = 1024 };

static void close_between(unsigned first, unsigned last) {
  if (first > last || sys_close_range(first, last) != -ENOSYS) return;
  for (unsigned fd = first; fd <= last && fd < MANY; fd++) sys_close((int)fd);
}

void tidy_descriptors(int kept) {
  for (int fd = 0; fd <= 2; fd++)
    if (sys_fcntl(fd, F_GETFD) == -EBADF) sys_open("/", O_PATH); // takes the lowest free number
  if (kept < 3) {
    close_between(3, UINT32_MAX);
    return;
  }
  close_between(3, (unsigned)kept - 1);
  close_between((unsigned)kept + 1, UINT32_MAX);
}
