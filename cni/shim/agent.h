/* The conversation with the node's agent over its unix socket. */
#pragma once

#include "call.h"
#include "netns.h"

enum outcome {
  /* The agent answered: `reply` is valid. */
  REPLIED,
  /* It has nothing of the request. `number` says why: ENOENT where there is no agent, ETIMEDOUT where timeout ran out. */
  NOT_SENT,
  /* It has the request, in part at least, and nobody knows what became of it. `how` says in which way it failed. */
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
 * Waits for an agent within its timeout, asks it, and waits for the whole answer. Leaves no descriptor open. `socket` is what
 * connect_agent returned.
 */
struct conversation ask_agent(const struct call *call, const struct netns *netns, long socket);
