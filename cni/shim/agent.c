#include "agent.h"

#include "clock.h"
#include "exchange.h"
#include "handshake.h"
#include "kernel.h"
#include "settings.h"

static const long RETRY_INTERVAL = 20; // ms

struct conversation ask_agent(const struct call *call, const struct netns *netns, long socket) {
  int timeout = equal(call->command, "ADD") ? AGENT_TIMEOUT_ADD : AGENT_TIMEOUT_OTHER;
  long deadline = now() + hello_milliseconds(timeout);
  for (;; socket = connect_agent()) {
    socket = await_hello(socket, deadline);
    if (socket >= 0) {
      struct conversation conversation = exchange((int)socket, call, netns);
      sys_close((int)socket);
      if (conversation.outcome != NOT_SENT) return conversation;
    } else if (socket != -EAGAIN) {
      return (struct conversation){.outcome = NOT_SENT, .number = -socket};
    }
    if (now() >= deadline) return (struct conversation){.outcome = NOT_SENT, .number = ETIMEDOUT};
    pause_for(RETRY_INTERVAL);
  }
}
