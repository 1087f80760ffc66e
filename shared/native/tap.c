/* Creates taps, which rtnetlink cannot do. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "deadline.h"
#include "netns.h"
#include "tap-setup.h"
#include "tap.h"

static long control_tap(int fd, unsigned long request, unsigned long argument) {
  return ioctl(fd, request, argument) < 0 ? -errno : 0;
}

/* The descriptor of /dev/net/tun in the helper. */
enum { HELPER_FD = 3 };

struct labelling {
  int fd;
  const struct tap *tap;
  char *const *arguments;
  struct failure failure;
};

/* Runs in a child that has its own copy of the descriptors. The label applies to the helper. */
static int exec_labelled(void *argument) {
  struct labelling *labelling = argument;
  int attribute = open("/proc/thread-self/attr/exec", O_WRONLY | O_CLOEXEC);
  if (attribute < 0 || write(attribute, labelling->tap->label, strlen(labelling->tap->label)) < 0) {
    labelling->failure = (struct failure){"write the SELinux label to /proc/thread-self/attr/exec", errno};
    return 1;
  }
  /* dup2 of a descriptor onto itself does not clear close-on-exec. */
  if (labelling->fd == HELPER_FD ? fcntl(HELPER_FD, F_SETFD, 0) < 0 : dup2(labelling->fd, HELPER_FD) < 0) {
    labelling->failure = (struct failure){"pass /dev/net/tun to tapwire mktap", errno};
    return 1;
  }
  execve(labelling->tap->helper, labelling->arguments, (char *[]){NULL});
  labelling->failure = (struct failure){"execute tapwire mktap", errno};
  return 1;
}

/*
 * Waits for the helper. Returns 0 and its status, or an errno. Kills a helper that does not end in
 * time, but does not wait for one that is stuck in the kernel.
 */
static int wait_for_helper(pid_t child, int *status) {
  for (deadline deadline = deadline_in(KERNEL_TIMEOUT);;) {
    pid_t ended = waitpid(child, status, __WALL | WNOHANG);
    if (ended == child) return 0;
    if (ended < 0 && errno != EINTR) return errno;
    if (is_over(deadline)) break;
    pause_for(1); /* waiting with poll(2) needs a pidfd, which requires Linux 5.3 */
  }
  kill(child, SIGKILL);
  pause_for(1);
  waitpid(child, status, __WALL | WNOHANG);
  return ETIME;
}

/*
 * Creates the tap with `tapwire mktap`, so that it gets the SELinux label of that program.
 * 1. Composes the arguments.
 * 2. Starts the child with all signals blocked, because it shares this process's memory until it
 *    executes the helper.
 * 3. Waits for its end and translates its status to a failure.
 */
static struct failure run_helper(int fd, const struct tap *tap) {
  char owner[24], group[24], ifname[IFNAMSIZ];
  memcpy(ifname, tap->ifname, sizeof ifname);
  snprintf(owner, sizeof owner, "%ld", tap->owner);
  snprintf(group, sizeof group, "%ld", tap->group);
  char *arguments[] = {"tapwire", "mktap", "3", ifname, tap->multi_queue ? "multi-queue" : "single-queue", owner, group, NULL};
  struct labelling labelling = {.fd = fd, .tap = tap, .arguments = arguments};

  char stack[16384] __attribute__((aligned(16)));
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  int status = 0, error = 0, child = clone(exec_labelled, stack + sizeof stack, CLONE_VM | CLONE_VFORK, &labelling);
  if (child < 0) labelling.failure = (struct failure){"start a child", errno};
  else error = wait_for_helper(child, &status);
  pthread_sigmask(SIG_SETMASK, &before, NULL);

  if (error != 0) return (struct failure){"tapwire mktap", error};
  if (labelling.failure.request != NULL || status == 0) return labelling.failure;
  return (struct failure){"tapwire mktap", WIFEXITED(status) ? WEXITSTATUS(status) : EINTR};
}

struct failure create_tap(int netns, const struct tap *tap, int *fd) {
  struct failure failure = open_tun(netns, fd);
  if (failure.request != NULL) return failure;
  if (tap->ifindex > 0 && ioctl(*fd, TUNSETIFINDEX, &tap->ifindex) < 0) failure = (struct failure){"TUNSETIFINDEX", errno};
  else if (tap->label != NULL) failure = run_helper(*fd, tap);
  else failure = set_up_tap(control_tap, *fd, tap->ifname, tap->multi_queue, tap->owner, tap->group);
  if (failure.request != NULL) {
    close(*fd);
    *fd = -1;
  }
  return failure;
}

struct failure persist_tap(int fd) {
  return ioctl(fd, TUNSETPERSIST, 1) < 0 ? (struct failure){"TUNSETPERSIST", errno} : NO_FAILURE;
}
