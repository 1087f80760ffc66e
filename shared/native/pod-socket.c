/*
 * Reads from a server in a pod, on a thread that lives no longer than the connection.
 *
 * The server may send descriptors as well, and whoever drops the last reference to a file waits
 * until it is closed: for a TCP socket with SO_LINGER, as long as the server likes. A thread that
 * exits does not wait, as a process does not, see socket(7). So the thread only peeks at what it
 * gets, and leaves the socket to the exit.
 */
#define _GNU_SOURCE
#include <asm/unistd.h>
#include <errno.h>
#include <linux/close_range.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <unistd.h>

#include "pod-socket.h"

/*
 * Gives this thread descriptors of its own, which its exit closes: only the standard streams.
 * Kernels before 5.9 can only copy all of them. Those that the process closes meanwhile, such as
 * the lock of a netns, then stay open until the exit.
 */
static struct failure leave_descriptors(void) {
  if (syscall(__NR_close_range, STDERR_FILENO + 1, ~0U, CLOSE_RANGE_UNSHARE) == 0) return NO_FAILURE;
  if (unshare(CLONE_FILES) == 0) return NO_FAILURE;
  return (struct failure){"unshare", errno};
}

static struct failure hear_here(struct hearing *hearing) {
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return (struct failure){"socket", errno};
  if (connect(fd, (const struct sockaddr *)&hearing->address, hearing->address_length) < 0) {
    const bool is_silent = errno == ECONNREFUSED || errno == EAGAIN; /* no listener; too many wait */
    return is_silent ? NO_FAILURE : (struct failure){"connect", errno};
  }
  struct pollfd polled = {.fd = fd, .events = POLLRDHUP};
  if (poll(&polled, 1, hearing->milliseconds) <= 0) return NO_FAILURE;
  const ssize_t length = recv(fd, hearing->said, sizeof hearing->said, MSG_PEEK | MSG_DONTWAIT);
  hearing->ended = length >= 0;
  if (hearing->ended) hearing->length = (size_t)length;
  return NO_FAILURE;
}

static void *hear_in_pod(void *argument) {
  struct hearing *hearing = argument;
  if (setns(hearing->netns, CLONE_NEWNET) < 0) hearing->failure = (struct failure){"enter the netns", errno};
  else hearing->failure = leave_descriptors();
  if (hearing->failure.request == NULL) hearing->failure = hear_here(hearing);
  return NULL;
}

struct failure hear(struct hearing *hearing) {
  /* Node's handler of a signal writes to a descriptor, which this thread does not have. */
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  pthread_t thread;
  const int error = pthread_create(&thread, NULL, hear_in_pod, hearing);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  if (error != 0) return (struct failure){"pthread_create", error};
  pthread_join(thread, NULL);
  return hearing->failure;
}
