/*
 * Limits how long a thread waits for the kernel, since a process in a pod could make a wait
 * endless.
 */
#define _GNU_SOURCE
#include <poll.h>
#include <stddef.h>
#include <time.h>

#include "deadline.h"

static deadline now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * 1000LL + time.tv_nsec / 1000000;
}

deadline deadline_in(long milliseconds) { return now() + milliseconds; }

deadline earlier(deadline one, deadline other) { return one < other ? one : other; }

bool is_over(deadline deadline) { return now() >= deadline; }

int left_until(deadline deadline) {
  long long left = deadline - now();
  return left > 0 ? (int)left : 0;
}

void pause_for(int milliseconds) { poll(NULL, 0, milliseconds); }
