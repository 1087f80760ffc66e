#include <errno.h>
#include <linux/netlink.h>
#include <unistd.h>

#include "bpf.h"
#include "link-deletion.h"
#include "netns.h"
#include "nfnetlink.h"
#include "script.h"

/*
 * Milliseconds after which no further part begins. Less than the shim's REPLY_TIMEOUT. A script
 * takes a few milliseconds unless a process in the pod works against it.
 */
enum { SCRIPT_TIMEOUT = 20 * 1000 };

/*
 * Whether the answers contain a refusal: an acknowledgement or the end of a dump with an errno.
 * EAFNOSUPPORT does not count: the kernel has no IPv6, or none on a link with so small an MTU.
 */
static bool is_refused(const struct bytes *answers) {
  int left = (int)answers->length;
  for (const struct nlmsghdr *message = (const struct nlmsghdr *)answers->data; NLMSG_OK(message, left);
       message = NLMSG_NEXT(message, left)) {
    bool ends = message->nlmsg_type == NLMSG_ERROR || message->nlmsg_type == NLMSG_DONE;
    if (!ends || NLMSG_PAYLOAD(message, 0) < (int)sizeof(int)) continue;
    int error = *(const int *)NLMSG_DATA(message);
    if (error < 0 && error != -EAFNOSUPPORT) return true;
  }
  return false;
}

static struct failure need_socket(struct script *script) {
  return script->socket < 0 ? open_rtnetlink(script->netns, &script->socket) : NO_FAILURE;
}

/* Runs an exchange in this process's own netns, whose links the requests name. */
static struct failure exchange_at_home(struct part *part, deadline deadline) {
  int socket = -1;
  struct failure failure = exchange(-1, &socket, &part->requests, &part->keeps, deadline, &part->answers);
  if (socket >= 0) close(socket);
  return failure;
}

static struct failure delete_part(struct script *script, struct part *part, deadline deadline) {
  struct failure failure = need_socket(script);
  if (failure.request != NULL) return failure;
  deadline = earlier(deadline, deadline_in(KERNEL_TIMEOUT));
  return delete_link(script->netns, &script->socket, &part->requests, deadline, &part->answers);
}

static struct failure nftables_part(struct script *script, struct part *part) {
  struct failure failure = script->nftables < 0 ? open_nfnetlink(script->netns, &script->nftables) : NO_FAILURE;
  if (failure.request != NULL) return failure;
  failure = exchange_nfnetlink(script->nftables, part->requests.data, part->requests.length, &part->answers);
  if (failure.request == NULL) return failure;
  close_nfnetlink(script->nftables);
  script->nftables = -1;
  return failure;
}

static struct failure run_part(struct script *script, struct part *part, deadline deadline) {
  switch (part->kind) {
    case PART_EXCHANGE:
      return exchange(script->netns, &script->socket, &part->requests, &part->keeps, deadline, &part->answers);
    case PART_DELETE_LINK:
      return delete_part(script, part, deadline);
    case PART_CREATE_TAP:
      if (script->tap >= 0) return (struct failure){"create a tap while another one is unfinished", EINVAL};
      return create_tap(script->netns, &part->tap, &script->tap);
    case PART_PERSIST_TAP: {
      struct failure failure = persist_tap(script->tap);
      if (failure.request != NULL) return failure;
      if (script->done_tap >= 0) close(script->done_tap);
      script->done_tap = script->tap;
      script->tap = -1;
      return NO_FAILURE;
    }
    case PART_READ_FILE:
      return read_file(script->netns, &part->file, &part->answers);
    case PART_WRITE_FILE:
      return write_file(script->netns, &part->file);
    case PART_QUERY_TCX:
      /* Queries the links that the previous part has listed. */
      return part == script->parts ? NO_FAILURE : query_tcx(script->netns, &part[-1].answers, &part->answers);
    case PART_READ_PROGRAM:
      return read_program(part->program, &part->answers);
    case PART_NFTABLES:
      return nftables_part(script, part);
    case PART_EXCHANGE_AT_HOME:
      return exchange_at_home(part, deadline);
  }
  return NO_FAILURE;
}

struct failure run_script(struct script *script) {
  struct failure failure = need_socket(script);
  if (failure.request != NULL) return failure;
  deadline deadline = deadline_in(SCRIPT_TIMEOUT);
  for (int i = 0; i < script->count; i++) {
    struct part *part = &script->parts[i];
    part->failure = is_over(deadline) ? (struct failure){"wait for the kernel", ETIME} : run_part(script, part, deadline);
    part->ran = true;
    if (!script->continue_on_error && (part->failure.request != NULL || is_refused(&part->answers))) break;
  }
  return NO_FAILURE;
}
