#ifndef TAPWIRE_UNIX_SOCKET_H
#define TAPWIRE_UNIX_SOCKET_H

#include <stddef.h>
#include <sys/types.h>

#include "failure.h"

/* Descriptors that one message may carry; one with more fails. */
enum { MAX_PASSED = 4 };

/* Listens at a path that does not exist yet; the socket is its owner's alone. */
struct failure listen_at(const char *path, int *fd);

/* Takes the next caller; `fd` is -1 where none waits. `uid` is the caller's. */
struct failure accept_client(int listener, int *fd, uid_t *uid);

/* Receives what is there. `length` is 0 at the end, and -1 where nothing waits. Descriptors are close-on-exec. */
struct failure receive_passed(int fd, void *data, size_t size, ssize_t *length, int passed[MAX_PASSED], size_t *count);

#endif
