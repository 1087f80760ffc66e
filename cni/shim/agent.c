#include "agent.h"

#include "clock.h"
#include "exchange.h"
#include "kernel.h"
#include "meeting.h"
#include "settings.h"

static const long RETRY = 20; // ms

struct conversation ask_agent(const struct call *call, const struct netns *netns, long socket) {
  int patience = equal(call->command, "ADD") ? AGENT_PATIENCE_ADD : AGENT_PATIENCE_OTHER;
  long deadline = now() + hello_milliseconds(patience);
  for (;; socket = call_agent()) {
    socket = meet_agent(socket, deadline);
    if (socket >= 0) {
      struct conversation conversation = exchange((int)socket, call, netns);
      sys_close((int)socket);
      if (conversation.outcome != UNASKED) return conversation;
    } else if (socket != -EAGAIN) {
      return (struct conversation){.outcome = UNASKED, .number = -socket};
    }
    if (now() >= deadline) return (struct conversation){.outcome = UNASKED, .number = ETIMEDOUT};
    pause_for(RETRY);
  }
}
