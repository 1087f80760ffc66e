/*
 * The environment of the call. Only CNI's variables and TRACEPARENT are passed to the agent and to
 * the fallback's Node.
 */
#pragma once

#include "text.h"

/* Returns the value of the first variable that starts with `name` ("CNI_COMMAND="), or "". */
const char *find_variable(char **environment, const char *name);

/*
 * Removes all variables except CNI's and TRACEPARENT from the vector. Otherwise a caller's
 * NODE_OPTIONS or LD_PRELOAD could run code as root. Moves the remaining strings together, which
 * invalidates pointers returned by find_variable before. Returns these strings, each with its
 * terminating 0.
 */
struct bytes scrub(char **environment);
