/* Netlink conversations that wait for the kernel, and so are run on threads other than JavaScript's. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "rtnetlink.h"

/* A dump comes in datagrams of at most 32 KiB (kernel netlink_dump), or of one link with many VFs. */
enum { DATAGRAM = 64 * 1024 };

static struct failure append(struct bytes *bytes, const void *data, size_t length) {
  uint8_t *grown = realloc(bytes->data, bytes->length + length);
  if (grown == NULL) return (struct failure){"receive from netlink", ENOMEM};
  memcpy(grown + bytes->length, data, length);
  *bytes = (struct bytes){grown, bytes->length + length};
  return NO_FAILURE;
}

static struct failure send_all(int socket, const void *data, size_t length) {
  while (send(socket, data, length, 0) < 0)
    if (errno != EINTR) return (struct failure){"send to netlink", errno};
  return NO_FAILURE;
}

static struct failure receive(int socket, void *datagram, int *length) {
  ssize_t got;
  while ((got = recv(socket, datagram, DATAGRAM, 0)) < 0)
    if (errno != EINTR) return (struct failure){"receive from netlink", errno};
  *length = (int)got;
  return NO_FAILURE;
}

/* Whether this message ends the answer to one request. */
static bool ends_answer(const struct nlmsghdr *message) {
  return message->nlmsg_type == NLMSG_ERROR || message->nlmsg_type == NLMSG_DONE;
}

/* An acknowledgement that says no more than that the request was done: not worth its way to JavaScript. */
static bool says_nothing(const struct nlmsghdr *message) {
  return message->nlmsg_type == NLMSG_ERROR && ((const struct nlmsgerr *)NLMSG_DATA(message))->error == 0;
}

/* Receives until `count` requests from `first` on are answered. What is not of theirs is dropped. */
static struct failure receive_answers(int socket, uint32_t first, uint32_t count, struct bytes *answers) {
  char datagram[DATAGRAM] __attribute__((aligned(NLMSG_ALIGNTO)));
  for (uint32_t pending = count; pending > 0;) {
    int length;
    struct failure failure = receive(socket, datagram, &length);
    const struct nlmsghdr *message = (const struct nlmsghdr *)datagram;
    for (; failure.request == NULL && NLMSG_OK(message, length); message = NLMSG_NEXT(message, length)) {
      if (message->nlmsg_seq - first >= count) continue;
      if (!says_nothing(message)) failure = append(answers, message, NLMSG_ALIGN(message->nlmsg_len));
      if (ends_answer(message)) pending--;
    }
    if (failure.request != NULL) return failure;
  }
  return NO_FAILURE;
}

static bool is_dump(const struct nlmsghdr *request) { return (request->nlmsg_flags & NLM_F_DUMP) == NLM_F_DUMP; }

struct failure exchange(int socket, const uint8_t *requests, size_t length, struct bytes *answers) {
  for (size_t offset = 0; offset < length;) {
    const struct nlmsghdr *first = (const struct nlmsghdr *)(requests + offset), *request = first;
    size_t end = offset;
    uint32_t count = 0;
    do {
      end += NLMSG_ALIGN(request->nlmsg_len);
      count++;
      request = (const struct nlmsghdr *)(requests + end);
    } while (end < length && !is_dump(first) && !is_dump(request)); /* a second dump while one runs is EBUSY */
    struct failure failure = send_all(socket, first, end - offset);
    if (failure.request == NULL) failure = receive_answers(socket, first->nlmsg_seq, count, answers);
    if (failure.request != NULL) return failure;
    offset = end;
  }
  return NO_FAILURE;
}

/* What the waiting thread has: a socket and a request of its own. */
struct deletion {
  int socket;
  size_t length;
  uint8_t request[];
};

static void *wait_for_deletion(void *argument) {
  struct deletion *deletion = argument;
  /* A failure comes as a message to whoever receives on the socket. */
  (void)send_all(deletion->socket, deletion->request, deletion->length);
  close(deletion->socket);
  free(deletion);
  return NULL;
}

static struct failure start_deletion(int socket, const uint8_t *request, size_t length) {
  struct deletion *deletion = malloc(sizeof *deletion + length);
  if (deletion == NULL) return (struct failure){"delete a link", ENOMEM};
  *deletion = (struct deletion){.socket = fcntl(socket, F_DUPFD_CLOEXEC, 0), .length = length};
  memcpy(deletion->request, request, length);

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

/* Whether this message says that the link is gone, or that it will not go. */
static bool ends_deletion(const struct nlmsghdr *message, const struct nlmsghdr *request) {
  const struct ifinfomsg *asked = NLMSG_DATA(request), *said = NLMSG_DATA(message);
  if (message->nlmsg_type == NLMSG_ERROR) return message->nlmsg_seq == request->nlmsg_seq;
  return message->nlmsg_type == RTM_DELLINK && said->ifi_family == AF_UNSPEC && said->ifi_index == asked->ifi_index;
}

struct failure delete_link(int socket, const uint8_t *request, size_t length, struct bytes *answers) {
  const struct nlmsghdr *header = (const struct nlmsghdr *)request;
  int group = RTNLGRP_LINK;
  if (setsockopt(socket, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof group) < 0)
    return (struct failure){"listen for the end of a link", errno};
  struct failure failure = start_deletion(socket, request, length);
  char datagram[DATAGRAM] __attribute__((aligned(NLMSG_ALIGNTO)));
  for (bool ended = false; failure.request == NULL && !ended;) {
    int left;
    failure = receive(socket, datagram, &left);
    const struct nlmsghdr *message = (const struct nlmsghdr *)datagram;
    for (; failure.request == NULL && !ended && NLMSG_OK(message, left); message = NLMSG_NEXT(message, left)) {
      ended = ends_deletion(message, header);
      if (ended && message->nlmsg_type == NLMSG_ERROR) failure = append(answers, message, message->nlmsg_len);
    }
  }
  setsockopt(socket, SOL_NETLINK, NETLINK_DROP_MEMBERSHIP, &group, sizeof group);
  return failure;
}
