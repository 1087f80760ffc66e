#include <errno.h>
#include <linux/netlink.h>
#include <unistd.h>

#include "netns.h"
#include "script.h"

/*
 * Whether the answers hold a refusal: an acknowledgement, or the end of a dump, with an errno. That the kernel has no IPv6 (or not on
 * a link with such a small MTU) is no reason to stop.
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

static struct failure run_part(struct script *script, struct part *part) {
  const struct bytes *requests = &part->requests;
  switch (part->kind) {
    case PART_EXCHANGE:
      return exchange(script->socket, requests->data, requests->length, &part->answers);
    case PART_DELETE_LINK:
      return delete_link(script->socket, requests->data, requests->length, &part->answers);
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
    case PART_READ_SYSCTL:
      return read_sysctl(script->netns, &part->sysctl, &part->answers);
    case PART_WRITE_SYSCTL:
      return write_sysctl(script->netns, &part->sysctl);
  }
  return NO_FAILURE;
}

struct failure run_script(struct script *script) {
  if (script->socket < 0) {
    struct failure failure = open_rtnetlink(script->netns, &script->socket);
    if (failure.request != NULL) return failure;
  }
  for (int i = 0; i < script->count; i++) {
    struct part *part = &script->parts[i];
    part->failure = run_part(script, part);
    part->ran = true;
    if (!script->goes_on && (part->failure.request != NULL || is_refused(&part->answers))) break;
  }
  return NO_FAILURE;
}
