/* Waiting, always for a bounded time. */
#pragma once

#include <stdbool.h>

/* Milliseconds of a clock that only goes forward. */
long now(void);

void pause_for(long milliseconds);

/* Waits until `fd` is ready for `events` of poll(2), or would fail; false when that was not before the deadline. */
bool wait_until_ready(int fd, short events, long deadline);

/* Takes the exclusive flock(2) of an open file; -EAGAIN when others kept it longer than `timeout` seconds. */
long lock_within(int fd, int timeout);
