/*
 * Writes to stderr without blocking. O_NONBLOCK would do that as well, but it belongs to the open
 * file, which the process may share with a shell or with the container runtime.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <unistd.h>

#include "write.h"

struct failure write_within(int fd, const void *data, size_t length, int milliseconds, size_t *written) {
  *written = 0;
  while (*written < length) {
    struct pollfd polled = {.fd = fd, .events = POLLOUT};
    int ready = poll(&polled, 1, *written == 0 ? milliseconds : 0);
    if (ready < 0 && errno != EINTR) return (struct failure){"poll", errno};
    if (ready <= 0) break;
    /* A pipe that poll(2) reports as writable has room for PIPE_BUF bytes, pipe(7). */
    size_t left = length - *written;
    ssize_t part = write(fd, (const char *)data + *written, left < PIPE_BUF ? left : PIPE_BUF);
    if (part < 0 && (errno == EAGAIN || errno == EINTR)) break;
    if (part < 0) return (struct failure){"write", errno};
    *written += (size_t)part;
  }
  return NO_FAILURE;
}
