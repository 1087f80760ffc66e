#include "exchange.h"

#include "clock.h"
#include "kernel.h"
#include "settings.h"

struct request_header {
  uint32_t environment_length, input_length, netns_errno, input_errno;
};
struct reply_header {
  uint32_t status, out_length, err_length;
};
enum { LARGEST = 8 * 1024 * 1024 };

/*
 * The reply, and one byte more to detect data after it. Only pages that are written take memory.
 */
static struct {
  struct reply_header header;
  char body[2 * LARGEST + 1];
} reply;

struct rights {
  struct control_header header;
  int fds[2];
};

/*
 * Sends the whole message; the descriptors in `message.control` go with its first byte. Sets
 * `begun` as soon as the agent may have received a byte. Returns 0 or a negative errno.
 */
static long send_message(int socket, struct message message, long deadline, bool *begun) {
  while (message.part_count > 0) {
    long sent = sys_sendmsg(socket, &message, MSG_NOSIGNAL);
    if (sent == -EAGAIN && !wait_until_ready(socket, POLLOUT, deadline)) return -ETIMEDOUT;
    if (sent < 0 && sent != -EAGAIN && sent != -EINTR) return sent;
    if (sent <= 0) continue;
    *begun = true;
    message.control = NULL;
    message.control_length = 0;
    for (; message.part_count > 0 && (size_t)sent >= message.parts->iov_len; message.parts++, message.part_count--)
      sent -= (long)message.parts->iov_len;
    if (message.part_count == 0) break;
    message.parts->iov_base = (char *)message.parts->iov_base + sent;
    message.parts->iov_len -= (size_t)sent;
  }
  return 0;
}

/* Sends the header, the variables and the input, with the descriptors of both netns. */
static long send_request(int socket, const struct call *call, const struct netns *netns, long deadline, bool *begun) {
  struct request_header header = {
      .environment_length = (uint32_t)call->variables.length,
      .input_length = (uint32_t)call->input.length,
      .netns_errno = (uint32_t)netns->pod_errno,
      .input_errno = (uint32_t)call->input_errno,
  };
  struct iovec parts[] = {
      {&header, sizeof header},
      {(void *)call->variables.start, call->variables.length},
      {(void *)call->input.start, call->input.length},
  };
  size_t count = netns->pod < 0 ? 1 : 2;
  struct rights rights = {
      .header = {sizeof rights.header + count * sizeof(int), SOL_SOCKET, SCM_RIGHTS},
      .fds = {netns->host, netns->pod},
  };
  struct message message = {
      .parts = parts,
      .part_count = sizeof parts / sizeof parts[0],
      .control = &rights,
      .control_length = rights.header.length,
  };
  return send_message(socket, message, deadline, begun);
}

/*
 * Reads the reply from byte `done` until at least `wanted` bytes have arrived. Returns their
 * number, which is less if the agent closed the connection, or a negative errno: -EAGAIN if no byte
 * came before the deadline, -ETIMEDOUT if only a part came.
 */
static long receive(int socket, size_t done, size_t wanted, long deadline) {
  while (done < wanted) {
    long got = sys_read(socket, (char *)&reply + done, sizeof reply - done);
    if (got == 0 || got == -ECONNRESET) break; // reset: the agent closed without reading all
    if (got > 0) done += (size_t)got;
    else if (got == -EAGAIN && !wait_until_ready(socket, POLLIN, deadline)) return done == 0 ? -EAGAIN : -ETIMEDOUT;
    else if (got != -EAGAIN && got != -EINTR) return got;
  }
  return (long)done;
}

static struct conversation lost(const char *how) { return (struct conversation){.outcome = LOST, .how = how}; }

static struct conversation receive_reply(int socket, long deadline) {
  static const char SILENT[] = "has been silent for " AS_TEXT(REPLY_TIMEOUT) " s";
  static const char SLOW[] = "did not complete its reply within " AS_TEXT(REPLY_TIMEOUT) " s";
  static const char BROKEN[] = "closed the connection before its reply was complete";
  static const char GARBLED[] = "sent an invalid reply";

  struct reply_header *header = &reply.header;
  long got = receive(socket, 0, sizeof *header, deadline);
  if (got < 0) return lost(got == -EAGAIN ? SILENT : got == -ETIMEDOUT ? SLOW : BROKEN);
  if (got < (long)sizeof *header) return lost(BROKEN);
  if (header->status > 1 || header->out_length > LARGEST || header->err_length > LARGEST) return lost(GARBLED);

  /* Do not wait for the end of the stream: that costs another turn of the agent's event loop. */
  long length = (long)sizeof *header + (long)header->out_length + (long)header->err_length;
  got = receive(socket, (size_t)got, (size_t)length, deadline);
  if (got == -EAGAIN || got == -ETIMEDOUT) return lost(SLOW);
  if (got < length) return lost(BROKEN);
  if (got > length) return lost(GARBLED);
  const char *out = reply.body;
  return (struct conversation){
      .outcome = REPLIED,
      .reply = {(int)header->status, {out, header->out_length}, {out + header->out_length, header->err_length}},
  };
}

struct conversation exchange(int socket, const struct call *call, const struct netns *netns) {
  long deadline = now() + milliseconds(REPLY_TIMEOUT);
  bool begun = false;
  long status = send_request(socket, call, netns, deadline, &begun);
  if (status < 0 && !begun) return (struct conversation){.outcome = NOT_SENT, .number = -status};
  /* Also after a partial send: an agent may reject a request before it has read all of it. */
  return receive_reply(socket, deadline);
}
