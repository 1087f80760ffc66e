#ifndef TAPWIRE_UNIX_SOCKET_H
#define TAPWIRE_UNIX_SOCKET_H

#include <stddef.h>
#include <sys/types.h>

#include "failure.h"

/* Maximum number of descriptors in one message; receiving more fails. */
enum { MAX_PASSED = 4 };

/* Listens at a path that does not exist yet. Only the owner may connect (mode 0600). */
struct failure listen_at(const char *path, int *fd);

/* Accepts the next client; `fd` is -1 if none is waiting. `uid` is that of the client. */
struct failure accept_client(int listener, int *fd, uid_t *uid);

/*
 * Receives available data. `length` is 0 at the end of the stream and -1 if no data is waiting. The
 * descriptors are close-on-exec.
 */
struct failure receive_passed(int fd, void *data, size_t size, ssize_t *length, int passed[MAX_PASSED], size_t *count);

#endif
