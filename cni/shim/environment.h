/* The environment of the call: what CNI defines, and nothing else, goes on to the agent and to Node. */
#pragma once

#include "text.h"

/* The value of the first variable that begins with `name` ("CNI_COMMAND="), or "". */
const char *find_variable(char **environment, const char *name);

/*
 * Removes all variables but CNI's from the vector, so that no NODE_OPTIONS or LD_PRELOAD of a caller's runs as root, and
 * moves their strings together: pointers to strings that were got before are void. Returns the strings, each with its 0.
 */
struct bytes scrub(char **environment);
