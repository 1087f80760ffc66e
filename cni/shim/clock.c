#include "clock.h"

#include "kernel.h"
#include "settings.h"

static const long LOCK_POLL_INTERVAL = 5; // ms

long now(void) {
  struct timespec time = {0, 0};
  sys_clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

static long poll_for(struct pollfd *polled, unsigned count, long milliseconds) {
  struct timespec timeout = {milliseconds / 1000, milliseconds % 1000 * 1000000};
  return sys_ppoll(polled, count, &timeout);
}

void pause_for(long milliseconds) { poll_for(NULL, 0, milliseconds); }

bool wait_until_ready(int fd, short events, long deadline) {
  struct pollfd polled = {.fd = fd, .events = events};
  for (;;) {
    long left = deadline - now();
    if (left <= 0) return false;
    if (poll_for(&polled, 1, left) > 0) return true;
  }
}

long lock_within(int fd, int timeout) {
  long deadline = now() + milliseconds(timeout);
  for (;;) {
    long status = sys_flock(fd, LOCK_EX | LOCK_NB);
    if (status != -EAGAIN && status != -EINTR) return status;
    if (now() >= deadline) return -EAGAIN;
    pause_for(LOCK_POLL_INTERVAL);
  }
}
