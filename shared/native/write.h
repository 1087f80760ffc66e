#ifndef TAPWIRE_WRITE_H
#define TAPWIRE_WRITE_H

#include <stddef.h>

#include "failure.h"

/*
 * Writes as many bytes as the descriptor takes without blocking, also if it is in blocking mode.
 * Waits up to `milliseconds` for the first of them. `written` is 0 if it still takes none.
 */
struct failure write_within(int fd, const void *data, size_t length, int milliseconds, size_t *written);

#endif
