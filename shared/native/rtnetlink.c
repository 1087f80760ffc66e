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
#include <unistd.h>

#include "netns.h"
#include "rtnetlink.h"

/*
 * Number of acknowledgements that always fit into a socket's queue. The kernel counts at least 768
 * bytes for each, more with an explanation, and allows 208 KiB by default.
 */
enum { MAX_CHUNK = 64 };

/* Size in bytes of the largest datagram that is received at all. */
enum { MAX_DATAGRAM = 1024 * 1024 };

/*
 * Names a failed receive. native.ts compares this text, because the request may have taken effect
 * although its answer was lost.
 */
static const char RECEIVE[] = "receive from netlink";

struct failure no_answer(void) { return (struct failure){RECEIVE, ETIME}; }

struct failure append(struct bytes *bytes, const void *data, size_t length) {
  size_t needed = bytes->length + length;
  if (bytes->limit != 0 && needed > bytes->limit) return (struct failure){RECEIVE, EMSGSIZE};
  if (needed > bytes->capacity) {
    size_t capacity = needed > 2 * bytes->capacity ? needed : 2 * bytes->capacity;
    uint8_t *grown = realloc(bytes->data, capacity);
    if (grown == NULL) return (struct failure){RECEIVE, ENOMEM};
    bytes->data = grown;
    bytes->capacity = capacity;
  }
  memcpy(bytes->data + bytes->length, data, length);
  bytes->length = needed;
  return NO_FAILURE;
}

struct failure send_all(int socket, const void *data, size_t length) {
  while (send(socket, data, length, 0) < 0)
    if (errno != EINTR) return (struct failure){"send to netlink", errno};
  return NO_FAILURE;
}

struct failure receive(int socket, deadline deadline, void *datagram, size_t size, int *length) {
  for (;;) {
    struct sockaddr_nl from = {0};
    socklen_t from_length = sizeof from;
    /* Rarely needs poll(2): usually the kernel has queued its answer when send(2) returns. */
    ssize_t got = recvfrom(socket, datagram, size, MSG_DONTWAIT | MSG_TRUNC, (struct sockaddr *)&from, &from_length);
    if (got >= 0) {
      /* Processes in the pod can send to this socket, too: drop their messages. */
      *length = from.nl_pid == 0 ? (int)got : 0;
      return *length > (int)size ? (struct failure){RECEIVE, EMSGSIZE} : NO_FAILURE;
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

/* Requests that are sent together, numbered from `first_seq` on. */
struct chunk {
  const void *requests;
  size_t length;
  uint32_t first_seq;
  uint32_t count;
  /* One for each request; NULL: keep everything. */
  const struct keep *keeps;
};

/* A receive buffer. `length` is the size of the last datagram, even if it did not fit. */
struct datagram {
  uint8_t *data;
  size_t size;
  int length;
};

static bool is_kept(const struct keep *keep, unsigned type) {
  return type < 64 && (keep->types[type / 32] >> (type % 32) & 1) != 0;
}

/* Removes the attributes that are not kept. Nested ones stay whole. */
static void strip(struct nlmsghdr *message, const struct keep *keep) {
  size_t from = NLMSG_LENGTH(keep->body), to = from;
  if ((keep->types[0] | keep->types[1]) == 0 || message->nlmsg_len < from) return;
  uint8_t *bytes = (uint8_t *)message;
  while (from + NLA_HDRLEN <= message->nlmsg_len) {
    const struct nlattr *attribute = (const struct nlattr *)(bytes + from);
    size_t length = NLMSG_ALIGN(attribute->nla_len), left = message->nlmsg_len - from;
    if (attribute->nla_len < NLA_HDRLEN || attribute->nla_len > left) break;
    if (length > left) length = left;
    if (is_kept(keep, attribute->nla_type & NLA_TYPE_MASK)) {
      memmove(bytes + to, bytes + from, length);
      to += length;
    }
    from += length;
  }
  message->nlmsg_len = (uint32_t)to;
}

/* Appends what is to be kept of a message. Fails with EOVERFLOW if that would be too much. */
static struct failure keep_message(struct nlmsghdr *message, const struct keep *keep, size_t start, struct bytes *answers) {
  if (keep != NULL && !ends_answer(message)) {
    strip(message, keep);
    if (answers->length - start + message->nlmsg_len > keep->limit) return (struct failure){RECEIVE, EOVERFLOW};
  }
  return append(answers, message, NLMSG_ALIGN(message->nlmsg_len));
}

/* Receives until the requests of a chunk are answered. Drops other messages. */
static struct failure receive_answers(int socket, const struct chunk *chunk, deadline deadline, struct datagram *datagram,
                                      struct bytes *answers) {
  size_t start = answers->length;
  for (uint32_t pending = chunk->count; pending > 0;) {
    uint32_t before = pending;
    struct failure failure = receive(socket, deadline, datagram->data, datagram->size, &datagram->length);
    if (failure.request != NULL) return failure;
    int left = datagram->length;
    struct nlmsghdr *message = (struct nlmsghdr *)datagram->data, *next;
    for (; NLMSG_OK(message, left); message = next) {
      next = NLMSG_NEXT(message, left); /* keep_message() shortens the message */
      uint32_t index = message->nlmsg_seq - chunk->first_seq;
      if (index >= chunk->count) continue;
      bool is_last = ends_answer(message);
      const struct keep *keep = chunk->keeps == NULL ? NULL : &chunk->keeps[index];
      if (!says_nothing(message)) failure = keep_message(message, keep, start, answers);
      if (failure.request != NULL) return failure;
      if (is_last) pending--;
    }
    /*
     * receive() checks the deadline only if the queue is empty. In an endless dump or a flood of
     * other messages, it never is.
     */
    if (pending == before && is_over(deadline)) return no_answer();
  }
  return NO_FAILURE;
}

static bool is_dump(const struct nlmsghdr *request) { return (request->nlmsg_flags & NLM_F_DUMP) == NLM_F_DUMP; }

/* Returns the requests from `offset` on that can be sent together. */
static struct chunk next_chunk(const struct bytes *requests, size_t offset) {
  const struct nlmsghdr *first = (const struct nlmsghdr *)(requests->data + offset), *request = first;
  struct chunk chunk = {.requests = first, .first_seq = first->nlmsg_seq};
  do {
    chunk.length += NLMSG_ALIGN(request->nlmsg_len);
    chunk.count++;
    request = (const struct nlmsghdr *)(requests->data + offset + chunk.length);
  } while (offset + chunk.length < requests->length && chunk.count < MAX_CHUNK && !is_dump(first) &&
           !is_dump(request)); /* a second dump while one runs is EBUSY */
  return chunk;
}

static bool is_failure(struct failure failure, int number) { return failure.request == RECEIVE && failure.number == number; }

/* Makes room for the last datagram, which did not fit; false if it is too large. */
static bool grow(struct datagram *datagram, uint8_t **grown) {
  if (datagram->length > MAX_DATAGRAM) return false;
  uint8_t *data = realloc(*grown, (size_t)datagram->length);
  if (data == NULL) return false;
  *grown = data;
  *datagram = (struct datagram){.data = data, .size = (size_t)datagram->length};
  return true;
}

/* Ends an answer that is cut short with a refusal, as the kernel would. */
static struct failure refuse(uint32_t seq, struct bytes *answers) {
  const struct {
    struct nlmsghdr header;
    int error;
  } refusal = {
      .header = {.nlmsg_len = sizeof refusal, .nlmsg_type = NLMSG_ERROR, .nlmsg_seq = seq},
      .error = -EOVERFLOW,
  };
  return append(answers, &refusal, sizeof refusal);
}

static struct failure exchange_chunk(int netns, int *socket, const struct chunk *chunk, deadline deadline,
                                     struct datagram *datagram, struct bytes *answers) {
  struct failure failure = *socket < 0 ? open_rtnetlink(netns, socket) : NO_FAILURE;
  if (failure.request != NULL) return failure;
  failure = send_all(*socket, chunk->requests, chunk->length);
  if (failure.request == NULL) failure = receive_answers(*socket, chunk, deadline, datagram, answers);
  if (failure.request == NULL) return failure;
  close(*socket);
  *socket = -1;
  return failure;
}

struct failure exchange(int netns, int *socket, const struct bytes *requests, const struct bytes *keeps, deadline deadline,
                        struct bytes *answers) {
  uint8_t initial[DATAGRAM] __attribute__((aligned(NLMSG_ALIGNTO))), *grown = NULL;
  struct datagram datagram = {.data = initial, .size = sizeof initial};
  struct failure failure = NO_FAILURE;
  size_t done = 0;
  for (size_t offset = 0; failure.request == NULL && offset < requests->length;) {
    if (is_over(deadline)) {
      failure = no_answer();
      break;
    }
    struct chunk chunk = next_chunk(requests, offset);
    size_t start = answers->length;
    if ((done + chunk.count) * sizeof(struct keep) <= keeps->length) chunk.keeps = (const struct keep *)keeps->data + done;
    failure = exchange_chunk(netns, socket, &chunk, earlier(deadline, deadline_in(KERNEL_TIMEOUT)), &datagram, answers);
    if (chunk.keeps != NULL && is_failure(failure, EMSGSIZE) && grow(&datagram, &grown)) {
      /* A query can be repeated. A change may have taken effect: the caller finds out. */
      answers->length = start;
      failure = NO_FAILURE;
      continue;
    }
    if (is_failure(failure, EOVERFLOW)) failure = refuse(chunk.first_seq, answers);
    offset += chunk.length;
    done += chunk.count;
  }
  free(grown);
  return failure;
}
