/* Functions that wait, each with a time limit. */
#pragma once

#include <stdbool.h>

/* The time of the monotonic clock in milliseconds. */
long now(void);

void pause_for(long milliseconds);

/*
 * Waits until poll(2) reports `events`, an error or a hangup for `fd`. Returns false if the
 * deadline passes first.
 */
bool wait_until_ready(int fd, short events, long deadline);

/*
 * Takes the exclusive flock(2) of an open file. Returns 0, -EAGAIN if the lock is still held after
 * `timeout` seconds, or another negative errno.
 */
long lock_within(int fd, int timeout);
