/* The fallback: the one-shot bundle and its Node, in the directory `.tapwire` next to the shim. */
#pragma once

#include "call.h"
#include "netns.h"

/*
 * Replaces this process with the one-shot. Waits for its turn, because each takes 40 MB and 25 ms
 * of CPU time: a node runs one at a time. `agent_state` ("no agent at") becomes part of the error
 * if there is no fallback either.
 *
 * `netns` is what lock_pod left. The one-shot inherits the pod's netns with its lock, and never
 * waits for a lock itself: a process in the pod, which can take the lock too, would then keep the
 * calls of other pods from their turn. For the same reason, this order must not be reversed.
 */
_Noreturn void run_fallback(const struct call *call, struct netns *netns, const char *agent_state);
