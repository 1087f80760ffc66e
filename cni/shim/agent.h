/* Sends a call to the node's agent over the agent's unix socket and receives the reply. */
#pragma once

#include "call.h"
#include "netns.h"

/* How far the conversation with the agent got. */
enum outcome {
  /* The agent replied: `reply` is valid. */
  REPLIED,
  /*
   * The agent received no byte of the request. `number` is the errno: ENOENT if there is no agent,
   * ETIMEDOUT if no agent said hello in time.
   */
  NOT_SENT,
  /*
   * The agent received at least a part of the request, and its result is unknown. `how` is a
   * predicate for messages: "sent an invalid reply".
   */
  LOST,
};

struct conversation {
  enum outcome outcome;
  long number;
  const char *how;
  struct {
    int status;
    struct bytes out, err;
  } reply;
};

/*
 * Waits for an agent to say hello, sends the call, and waits for the whole reply. Reconnects until
 * the timeout for an agent is over (AGENT_TIMEOUT_*). Leaves no descriptor of the conversation
 * open. `socket` is the return value of connect_agent.
 */
struct conversation ask_agent(const struct call *call, const struct netns *netns, long socket);
