/*
 * Exchanges rtnetlink messages with the kernel. The functions wait for answers, so they must not
 * run on JavaScript's thread.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "rtnetlink.h"

/*
 * Names a failed receive. native.ts compares this text, because the request may have taken effect
 * although its answer was lost.
 */
static const char RECEIVE[] = "receive from netlink";

struct failure no_answer(void) { return (struct failure){RECEIVE, ETIME}; }

struct failure append(struct bytes *bytes, const void *data, size_t length) {
  if (bytes->limit != 0 && length > bytes->limit - bytes->length) return (struct failure){RECEIVE, EMSGSIZE};
  uint8_t *grown = realloc(bytes->data, bytes->length + length);
  if (grown == NULL) return (struct failure){RECEIVE, ENOMEM};
  memcpy(grown + bytes->length, data, length);
  *bytes = (struct bytes){grown, bytes->length + length, bytes->limit};
  return NO_FAILURE;
}

struct failure send_all(int socket, const void *data, size_t length) {
  while (send(socket, data, length, 0) < 0)
    if (errno != EINTR) return (struct failure){"send to netlink", errno};
  return NO_FAILURE;
}

struct failure receive(int socket, deadline deadline, void *datagram, int *length) {
  for (;;) {
    struct sockaddr_nl from = {0};
    socklen_t from_length = sizeof from;
    /* Rarely needs poll(2): usually the kernel has queued its answer when send(2) returns. */
    ssize_t got = recvfrom(socket, datagram, DATAGRAM, MSG_DONTWAIT | MSG_TRUNC, (struct sockaddr *)&from, &from_length);
    if (got > DATAGRAM) return (struct failure){RECEIVE, EMSGSIZE};
    if (got >= 0) {
      /* Processes in the pod can send to this socket, too: drop their messages. */
      *length = from.nl_pid == 0 ? (int)got : 0;
      return NO_FAILURE;
    }
    if (errno != EAGAIN && errno != EINTR) return (struct failure){RECEIVE, errno};
    if (is_over(deadline)) return no_answer();
    struct pollfd polled = {.fd = socket, .events = POLLIN};
    poll(&polled, 1, left_until(deadline));
  }
}

/* Whether the message is the last of the answer to a request. */
static bool ends_answer(const struct nlmsghdr *message) {
  return message->nlmsg_type == NLMSG_ERROR || message->nlmsg_type == NLMSG_DONE;
}

/* Whether the message is an acknowledgement of success, which is not passed to JavaScript. */
static bool says_nothing(const struct nlmsghdr *message) {
  return message->nlmsg_type == NLMSG_ERROR && ((const struct nlmsgerr *)NLMSG_DATA(message))->error == 0;
}

/* Receives until the `count` requests from number `first` on are answered. Drops other messages. */
static struct failure receive_answers(int socket, uint32_t first, uint32_t count, struct bytes *answers) {
  char datagram[DATAGRAM] __attribute__((aligned(NLMSG_ALIGNTO)));
  deadline deadline = deadline_in(KERNEL_TIMEOUT);
  for (uint32_t pending = count; pending > 0;) {
    int length;
    uint32_t before = pending;
    struct failure failure = receive(socket, deadline, datagram, &length);
    const struct nlmsghdr *message = (const struct nlmsghdr *)datagram;
    for (; failure.request == NULL && NLMSG_OK(message, length); message = NLMSG_NEXT(message, length)) {
      if (message->nlmsg_seq - first >= count) continue;
      if (!says_nothing(message)) failure = append(answers, message, NLMSG_ALIGN(message->nlmsg_len));
      if (ends_answer(message)) pending--;
    }
    if (failure.request != NULL) return failure;
    /*
     * receive() checks the deadline only if the queue is empty. In an endless dump or a flood of
     * other messages, it never is.
     */
    if (pending == before && is_over(deadline)) return no_answer();
  }
  return NO_FAILURE;
}

struct failure exchange_chunk(int socket, const void *requests, size_t length, uint32_t first_seq, uint32_t count,
                              struct bytes *answers) {
  struct failure failure = send_all(socket, requests, length);
  return failure.request != NULL ? failure : receive_answers(socket, first_seq, count, answers);
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
    } while (end < length && count < MAX_CHUNK && !is_dump(first) &&
             !is_dump(request)); /* a second dump while one runs is EBUSY */
    struct failure failure = exchange_chunk(socket, first, end - offset, first->nlmsg_seq, count, answers);
    if (failure.request != NULL) return failure;
    offset = end;
  }
  return NO_FAILURE;
}
