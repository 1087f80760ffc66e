/*
 * Deletes links without waiting until the kernel acknowledges the deletion. A link has left its
 * netns about 18 ms before that.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/rtnetlink.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "link-deletion.h"
#include "netns.h"

/*
 * Milliseconds. If the kernel's notification does not come within the timeout, the link is queried
 * repeatedly, with this interval.
 */
enum { NOTICE_TIMEOUT = 1000, POLL_INTERVAL = 10 };

/* The waiting thread's own copies of the socket and the request. */
struct deletion {
  int socket;
  size_t length;
  uint8_t request[];
};

static void *wait_for_deletion(void *argument) {
  struct deletion *deletion = argument;
  /* The kernel sends a refusal as a message, which receive_notice reads on this socket. */
  (void)send_all(deletion->socket, deletion->request, deletion->length);
  close(deletion->socket);
  free(deletion);
  return NULL;
}

static struct failure start_deletion(int socket, const struct bytes *request) {
  struct deletion *deletion = malloc(sizeof *deletion + request->length);
  if (deletion == NULL) return (struct failure){"delete a link", ENOMEM};
  *deletion = (struct deletion){.socket = fcntl(socket, F_DUPFD_CLOEXEC, 0), .length = request->length};
  memcpy(deletion->request, request->data, request->length);

  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  pthread_attr_setstacksize(&attributes, 64 * 1024);
  pthread_t thread;
  int error = deletion->socket < 0 ? errno : pthread_create(&thread, &attributes, wait_for_deletion, deletion);
  pthread_attr_destroy(&attributes);
  if (error == 0) return NO_FAILURE;
  if (deletion->socket >= 0) close(deletion->socket);
  free(deletion);
  return (struct failure){"start a thread", error};
}

/* Whether the message says that the link is deleted, or that the kernel refuses to delete it. */
static bool ends_deletion(const struct nlmsghdr *message, const struct nlmsghdr *request) {
  const struct ifinfomsg *asked = NLMSG_DATA(request), *said = NLMSG_DATA(message);
  if (message->nlmsg_type == NLMSG_ERROR) return message->nlmsg_seq == request->nlmsg_seq;
  return message->nlmsg_type == RTM_DELLINK && said->ifi_family == AF_UNSPEC && said->ifi_index == asked->ifi_index;
}

/*
 * Receives notifications about all links until one says that this link is deleted, or the kernel
 * refuses the request.
 */
static struct failure receive_notice(int socket, const struct nlmsghdr *request, deadline deadline, struct bytes *answers) {
  char datagram[DATAGRAM] __attribute__((aligned(NLMSG_ALIGNTO)));
  for (;;) {
    int left;
    struct failure failure = receive(socket, deadline, datagram, sizeof datagram, &left);
    if (failure.request != NULL) return failure;
    const struct nlmsghdr *message = (const struct nlmsghdr *)datagram;
    for (; NLMSG_OK(message, left); message = NLMSG_NEXT(message, left)) {
      if (!ends_deletion(message, request)) continue;
      return message->nlmsg_type == NLMSG_ERROR ? append(answers, message, message->nlmsg_len) : NO_FAILURE;
    }
    if (is_over(deadline)) return no_answer();
  }
}

/* Queries, on a socket of its own, whether the link is deleted. */
static struct failure query_is_gone(int netns, int ifindex, bool *is_gone) {
  const struct {
    struct nlmsghdr header;
    struct ifinfomsg link;
  } request = {
      .header = {.nlmsg_len = sizeof request, .nlmsg_type = RTM_GETLINK, .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK, .nlmsg_seq = 1},
      .link = {.ifi_index = ifindex},
  };
  const struct bytes requests = {.data = (uint8_t *)&request, .length = sizeof request}, keeps = {0};
  struct bytes answers = {0};
  int socket = -1;
  *is_gone = false;
  struct failure failure = exchange(netns, &socket, &requests, &keeps, deadline_in(KERNEL_TIMEOUT), &answers);
  if (socket >= 0) close(socket);
  const struct nlmsghdr *answer = (const struct nlmsghdr *)answers.data;
  *is_gone = failure.request == NULL && answers.length >= NLMSG_LENGTH(sizeof(int)) &&
             answer->nlmsg_type == NLMSG_ERROR && *(const int *)NLMSG_DATA(answer) == -ENODEV;
  free(answers.data);
  return failure;
}

/* Queries the link repeatedly until it is deleted. */
static struct failure poll_until_gone(int netns, int ifindex, deadline deadline) {
  for (;;) {
    bool is_gone;
    struct failure failure = query_is_gone(netns, ifindex, &is_gone);
    if (is_gone) return NO_FAILURE;
    if (is_over(deadline)) return failure.request != NULL ? failure : no_answer();
    pause_for(POLL_INTERVAL);
  }
}

/*
 * 1. Subscribes to notifications about links.
 * 2. Starts the deletion on a thread of its own.
 * 3. Waits for the notification, or the refusal.
 * 4. If either came, unsubscribes. Else closes the socket and queries the link until it is deleted.
 */
struct failure delete_link(int netns, int *socket, const struct bytes *request, deadline deadline, struct bytes *answers) {
  const struct nlmsghdr *header = (const struct nlmsghdr *)request->data;
  int group = RTNLGRP_LINK;
  struct failure failure = NO_FAILURE;
  if (setsockopt(*socket, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof group) < 0)
    failure = (struct failure){"listen for the deletion of a link", errno};
  if (failure.request == NULL) failure = start_deletion(*socket, request);
  bool is_started = failure.request == NULL;
  if (is_started) failure = receive_notice(*socket, header, earlier(deadline, deadline_in(NOTICE_TIMEOUT)), answers);
  if (failure.request == NULL) {
    setsockopt(*socket, SOL_NETLINK, NETLINK_DROP_MEMBERSHIP, &group, sizeof group);
    return failure;
  }
  close(*socket);
  *socket = -1;
  if (!is_started) return failure;
  /*
   * The notification may be lost because the socket's buffer was full: processes in the pod can
   * cause any number of notifications.
   */
  return poll_until_gone(netns, ((const struct ifinfomsg *)NLMSG_DATA(header))->ifi_index, deadline);
}
