/*
 * The agent's side of its socket. Node's own sockets drop descriptors that come with a message, and
 * do not tell the uid of the client.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <sys/stat.h>

#include "unix-socket.h"

struct failure listen_at(const char *path, int *fd) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  if (strlen(path) >= sizeof address.sun_path) return (struct failure){"bind", ENAMETOOLONG};
  strcpy(address.sun_path, path);
  *fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (*fd < 0) return (struct failure){"socket", errno};
  /* The file gets the socket's mode. So it never exists with a wider one, and the umask stays. */
  const char *request = fchmod(*fd, 0600) < 0                                                 ? "fchmod"
                        : bind(*fd, (struct sockaddr *)&address, sizeof address) < 0          ? "bind"
                        : listen(*fd, SOMAXCONN) < 0                                          ? "listen"
                                                                                              : NULL;
  if (request == NULL) return NO_FAILURE;
  struct failure failure = {request, errno};
  close(*fd);
  return failure;
}

struct failure accept_client(int listener, int *fd, uid_t *uid) {
  *fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
  if (*fd < 0) {
    const int gone = errno == EAGAIN || errno == EINTR || errno == ECONNABORTED;
    return gone ? NO_FAILURE : (struct failure){"accept", errno};
  }
  struct ucred peer;
  socklen_t size = sizeof peer;
  if (getsockopt(*fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0) {
    struct failure failure = {"getsockopt SO_PEERCRED", errno};
    close(*fd);
    return failure;
  }
  *uid = peer.uid;
  return NO_FAILURE;
}

struct failure receive_passed(int fd, void *data, size_t size, ssize_t *length, int passed[MAX_PASSED], size_t *count) {
  struct iovec part = {data, size};
  union {
    char bytes[CMSG_SPACE(MAX_PASSED * sizeof(int))];
    struct cmsghdr aligned;
  } control;
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof control};
  *count = 0;
  *length = recvmsg(fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  if (*length < 0) return errno == EAGAIN || errno == EINTR ? NO_FAILURE : (struct failure){"recvmsg", errno};
  for (struct cmsghdr *header = CMSG_FIRSTHDR(&message); header != NULL; header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
    *count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    memcpy(passed, CMSG_DATA(header), *count * sizeof(int));
  }
  if ((message.msg_flags & MSG_CTRUNC) == 0) return NO_FAILURE;
  /*
   * Descriptors are lost: the message had too many, or this process has reached its limit. Close
   * the others, because it is unknown which they are.
   */
  while (*count > 0) close(passed[--*count]);
  return (struct failure){"receive descriptors", EMFILE};
}
