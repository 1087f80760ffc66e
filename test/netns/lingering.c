/*
 * A server on an abstract unix socket. Sends each client a text, and with it a TCP socket that has
 * unsent data and SO_LINGER: whoever closes it last waits for minutes.
 *
 * Usage: lingering NAME TEXT
 */
#include <arpa/inet.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static int checked(int result, const char *what) {
  if (result < 0) {
    perror(what);
    exit(1);
  }
  return result;
}

/* Its peer, which this process keeps open, reads nothing. */
static int lingering_socket(void) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t size = sizeof address;
  int listener = checked(socket(AF_INET, SOCK_STREAM, 0), "socket");
  checked(bind(listener, (struct sockaddr *)&address, size), "bind");
  checked(listen(listener, 1), "listen");
  checked(getsockname(listener, (struct sockaddr *)&address, &size), "getsockname");
  int fd = checked(socket(AF_INET, SOCK_STREAM, 0), "socket");
  checked(connect(fd, (struct sockaddr *)&address, size), "connect");
  checked(accept(listener, NULL, NULL), "accept");
  close(listener);
  static char data[64 * 1024];
  while (send(fd, data, sizeof data, MSG_DONTWAIT) > 0) continue;
  struct linger linger = {.l_onoff = 1, .l_linger = 300};
  checked(setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger), "SO_LINGER");
  return fd;
}

static void serve(int client, char *text) {
  char control[CMSG_SPACE(sizeof(int))] = {0};
  struct iovec part = {text, strlen(text)};
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
  struct cmsghdr *header = CMSG_FIRSTHDR(&message);
  *header = (struct cmsghdr){.cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
  int fd = lingering_socket();
  memcpy(CMSG_DATA(header), &fd, sizeof fd);
  checked((int)sendmsg(client, &message, MSG_NOSIGNAL), "sendmsg");
  close(fd); /* the client has it */
  close(client);
}

int main(int count, char **words) {
  if (count != 3) return 2;
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  size_t length = strlen(words[1]);
  memcpy(address.sun_path + 1, words[1], length);
  int listener = checked(socket(AF_UNIX, SOCK_STREAM, 0), "socket");
  checked(bind(listener, (struct sockaddr *)&address, offsetof(struct sockaddr_un, sun_path) + 1 + length), "bind");
  checked(listen(listener, 8), "listen");
  puts("ready");
  fflush(stdout);
  for (;;) serve(checked(accept(listener, NULL, NULL), "accept"), words[2]);
}
