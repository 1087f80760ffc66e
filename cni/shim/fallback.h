/* The fallback: the one-shot bundle and its Node, in the directory `.tapwire` next to the shim. */
#pragma once

#include "call.h"

/*
 * Replaces this process with the one-shot. Waits for its turn, because each takes 40 MB and 25 ms
 * of CPU time: a node runs one at a time. The caller must have released the netns. `agent_state`
 * ("no agent at") becomes part of the error if there is no fallback either.
 */
_Noreturn void run_fallback(const struct call *call, const char *agent_state);
