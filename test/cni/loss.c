/*
 * Preloaded into the agent or the plugin. Loses datagrams that the kernel sends on netlink sockets.
 *
 * TAPWIRE_LOSS is the path of a directory. Each received datagram adds a line to its file
 * `received`: "dump", "answer" or "notification". Its file `at` is "NTH KIND", or "NTH KIND WHAT"
 * to count only the lines WHAT. KIND says how the NTH datagram is lost:
 *   overrun  recvfrom fails, as after an overrun of the socket's queue
 *   cut      recvfrom reports that the datagram is larger than the buffer
 *   silence  recvfrom drops this datagram and all further ones of this socket
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

static ino_t silent; /* the inode of a socket */
static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;

static FILE *open_file(const char *name, const char *mode) {
  char path[256];
  snprintf(path, sizeof path, "%s/%s", getenv("TAPWIRE_LOSS"), name);
  return fopen(path, mode);
}

static int is_netlink(int fd) {
  int domain = -1;
  socklen_t length = sizeof domain;
  return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &length) == 0 && domain == AF_NETLINK;
}

static const char *what_is(const struct nlmsghdr *message) {
  if (message->nlmsg_seq == 0) return "notification";
  return message->nlmsg_flags & NLM_F_MULTI || message->nlmsg_type == NLMSG_DONE ? "dump" : "answer";
}

/* Records a datagram. Sets `kind` to the way to lose it, or to an empty text. */
static void note(int fd, const struct nlmsghdr *message, char kind[16]) {
  int nth = 0, seen = 0;
  char what[16] = "", line[16];
  struct stat file;
  kind[0] = '\0';
  fstat(fd, &file);
  pthread_mutex_lock(&turn);
  FILE *received = open_file("received", "a+e"), *at = open_file("at", "re");
  if (received != NULL) {
    fprintf(received, "%s\n", what_is(message));
    rewind(received);
  }
  if (at != NULL) {
    if (fscanf(at, "%d %15s %15s", &nth, kind, what) < 2) kind[0] = '\0';
    fclose(at);
  }
  while (received != NULL && fscanf(received, "%15s", line) == 1) seen += what[0] == '\0' || strcmp(line, what) == 0;
  if (received != NULL) fclose(received);
  if (seen != nth || (what[0] != '\0' && strcmp(what_is(message), what) != 0)) kind[0] = '\0';
  if (nth == 0) silent = 0;
  if (strcmp(kind, "silence") == 0) silent = file.st_ino;
  if (file.st_ino == silent) strcpy(kind, "silence");
  pthread_mutex_unlock(&turn);
}

ssize_t recvfrom(int fd, void *data, size_t size, int flags, struct sockaddr *from, socklen_t *length) {
  static ssize_t (*real)(int, void *, size_t, int, struct sockaddr *, socklen_t *);
  char kind[16];
  if (real == NULL)
    real = (ssize_t(*)(int, void *, size_t, int, struct sockaddr *, socklen_t *))dlsym(RTLD_NEXT, "recvfrom");
  for (;;) {
    ssize_t got = real(fd, data, size, flags, from, length);
    if (got < (ssize_t)sizeof(struct nlmsghdr) || !is_netlink(fd)) return got;
    note(fd, data, kind);
    if (kind[0] == '\0') return got;
    if (strcmp(kind, "cut") == 0) return (ssize_t)size + 1;
    if (strcmp(kind, "overrun") == 0) {
      errno = ENOBUFS;
      return -1;
    }
  }
}
