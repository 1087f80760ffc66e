/*
 * A client of the agent other than the shim. Sends its stdin as the request, with any descriptors.
 *
 * Usage: sender SOCKET THEN [DESCRIPTOR…]
 * DESCRIPTOR is "read:PATH", "path:PATH" (O_PATH) or "pipe:". A factor ("200*pipe:") passes it that
 * many times. When all is sent, prints "sent" to stderr. THEN says what follows:
 *   read   prints the reply
 *   half   shuts down its sending side and prints the reply
 *   more   waits for SIGUSR1, sends one more byte, prints "more" to stderr, and prints the reply
 *   leave  closes the connection
 *   deaf   sends without reading the hello first, and reads nothing until it is killed
 *   stay   reads nothing until it is killed
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { MOST = 253 }; /* SCM_MAX_FD */
static unsigned char request[4 * 1024 * 1024];
static int fds[MOST];
static size_t count;

static void die(const char *what) {
  perror(what);
  exit(1);
}

static int open_one(const char *word) {
  int both[2];
  if (strncmp(word, "read:", 5) == 0) return open(word + 5, O_RDONLY | O_NONBLOCK);
  if (strncmp(word, "path:", 5) == 0) return open(word + 5, O_PATH);
  return strcmp(word, "pipe:") == 0 && pipe(both) == 0 ? both[0] : -1;
}

static void add(const char *word) {
  const char *star = strchr(word, '*');
  long times = star == NULL ? 1 : atol(word);
  int fd = open_one(star == NULL ? word : star + 1);
  if (fd < 0) die(word);
  while (times-- > 0 && count < MOST) fds[count++] = fd;
}

static void send_all(int connection, size_t length) {
  char control[CMSG_SPACE(sizeof fds)] = {0};
  struct iovec part = {request, length};
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
  if (count > 0) {
    message.msg_control = control;
    message.msg_controllen = CMSG_SPACE(count * sizeof(int));
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    *header = (struct cmsghdr){.cmsg_len = CMSG_LEN(count * sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
    memcpy(CMSG_DATA(header), fds, count * sizeof(int));
  }
  while (part.iov_len > 0) {
    ssize_t sent = sendmsg(connection, &message, MSG_NOSIGNAL);
    if (sent < 0 && (errno == EPIPE || errno == ECONNRESET)) return; /* the agent has closed */
    if (sent < 0) die("sendmsg");
    part.iov_base = (char *)part.iov_base + sent;
    part.iov_len -= (size_t)sent;
    message.msg_control = NULL;
    message.msg_controllen = 0;
  }
}

static int take(int connection, char *into, size_t length) {
  size_t done = 0;
  while (done < length) {
    ssize_t got = read(connection, into + done, length - done);
    if (got <= 0) return 0;
    done += (size_t)got;
  }
  return 1;
}

static void print_reply(int connection) {
  char chunk[65536];
  ssize_t got;
  while ((got = read(connection, chunk, sizeof chunk)) > 0)
    if (fwrite(chunk, 1, (size_t)got, stdout) != (size_t)got) die("stdout");
}

int main(int argc, char **argv) {
  if (argc < 3) return 2;
  const char *then = argv[2];
  sigset_t more;
  sigemptyset(&more);
  sigaddset(&more, SIGUSR1);
  sigprocmask(SIG_BLOCK, &more, NULL); /* an early signal stays pending */
  for (int i = 3; i < argc; i++) add(argv[i]);
  size_t length = fread(request, 1, sizeof request, stdin);

  struct sockaddr_un address = {.sun_family = AF_UNIX};
  strncpy(address.sun_path, argv[1], sizeof address.sun_path - 1);
  int connection = socket(AF_UNIX, SOCK_STREAM, 0);
  if (connect(connection, (struct sockaddr *)&address, sizeof address) < 0) die("connect");
  char hello[8];
  /* An agent that rejects a client closes the connection without a hello. */
  if (strcmp(then, "deaf") != 0 && !take(connection, hello, sizeof hello)) return 3;
  send_all(connection, length);
  fprintf(stderr, "sent\n");

  if (strcmp(then, "leave") == 0) return 0;
  if (strcmp(then, "half") == 0) shutdown(connection, SHUT_WR);
  if (strcmp(then, "more") == 0) {
    int signal;
    sigwait(&more, &signal);
    send(connection, "x", 1, MSG_NOSIGNAL);
    fprintf(stderr, "more\n");
  }
  if (strcmp(then, "deaf") == 0 || strcmp(then, "stay") == 0)
    for (;;) pause();
  print_reply(connection);
  return 0;
}
