#define _GNU_SOURCE
#include <errno.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "netns.h"
#include "nfnetlink.h"

/*
 * Sizes in bytes. The kernel sends a dump in datagrams of at most 32 KiB. MAX_ANSWERS limits the
 * memory that a process in the pod can make this process use by adding tables.
 */
enum { MAX_DATAGRAM = 64 * 1024, MAX_ANSWERS = 1024 * 1024 };

static struct failure open_here(const void *what, int *fd) {
  (void)what;
  *fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);
  return *fd < 0 ? (struct failure){"open a netfilter socket", errno} : NO_FAILURE;
}

struct failure open_nfnetlink(int netns, int *fd) { return open_in(netns, open_here, NULL, fd); }

/*
 * Sends one request or one batch, and receives all answers. They are queued already when send(2)
 * returns; of a dump, each receive makes the kernel queue the next part.
 */
static struct failure converse(int socket, const void *requests, size_t length, struct bytes *answers) {
  struct failure failure = send_all(socket, requests, length);
  char datagram[MAX_DATAGRAM] __attribute__((aligned(NLMSG_ALIGNTO)));
  deadline deadline = deadline_in(KERNEL_TIMEOUT);
  while (failure.request == NULL) {
    struct sockaddr_nl from = {0};
    socklen_t from_length = sizeof from;
    ssize_t got = recvfrom(socket, datagram, sizeof datagram, MSG_DONTWAIT, (struct sockaddr *)&from, &from_length);
    if (got < 0 && errno == EAGAIN) break;
    if (got < 0 && errno != EINTR) failure = (struct failure){"receive from netlink", errno};
    /* Drop messages of processes in the pod. Stop at the deadline: they may send for ever. */
    else if (got > 0 && from.nl_pid == 0) failure = append(answers, datagram, (size_t)got);
    else if (is_over(deadline)) failure = no_answer();
  }
  return failure;
}

/*
 * Returns the outcome of a batch: its first refusal, which may concern the batch as a whole, or
 * success if its last request was acknowledged.
 */
static struct failure read_batch(const struct bytes *answers) {
  bool is_done = false;
  int left = (int)answers->length;
  for (const struct nlmsghdr *message = (const struct nlmsghdr *)answers->data; NLMSG_OK(message, left);
       message = NLMSG_NEXT(message, left)) {
    if (message->nlmsg_type != NLMSG_ERROR || NLMSG_PAYLOAD(message, 0) < (int)sizeof(int)) continue;
    int error = *(const int *)NLMSG_DATA(message);
    if (error < 0) return (struct failure){"nftables", -error};
    is_done = true;
  }
  return is_done ? NO_FAILURE : no_answer();
}

static bool is_batch(const struct nlmsghdr *request) { return request->nlmsg_type == NFNL_MSG_BATCH_BEGIN; }

static void *close_socket(void *socket) {
  close((int)(intptr_t)socket);
  return NULL;
}

void close_nfnetlink(int fd) {
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  pthread_attr_setstacksize(&attributes, 64 * 1024);
  pthread_t thread;
  if (pthread_create(&thread, &attributes, close_socket, (void *)(intptr_t)fd) != 0) close(fd);
  pthread_attr_destroy(&attributes);
}

struct failure exchange_nfnetlink(int socket, const uint8_t *requests, size_t length, struct bytes *answers) {
  struct failure failure = NO_FAILURE;
  answers->limit = MAX_ANSWERS;
  for (size_t offset = 0; failure.request == NULL && offset < length;) {
    const struct nlmsghdr *request = (const struct nlmsghdr *)(requests + offset);
    size_t end = is_batch(request) ? length : offset + NLMSG_ALIGN(request->nlmsg_len);
    failure = converse(socket, request, end - offset, answers);
    if (failure.request == NULL && is_batch(request)) {
      failure = read_batch(answers);
      answers->length = 0;
    }
    offset = end;
  }
  return failure;
}
