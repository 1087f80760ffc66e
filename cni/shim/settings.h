/* Paths and timeouts of the shim. */
#pragma once

/* Timeouts in seconds. Each appears in the message about it. */
#define INPUT_TIMEOUT 30      /* for the end of stdin */
#define LOCK_TIMEOUT 15       /* for another call to release the pod's netns */
#define AGENT_TIMEOUT_ADD 10  /* for a restarting agent: a failed ADD restarts the whole pod */
#define AGENT_TIMEOUT_OTHER 2 /* for all else: an upgrade must not delay the end of a pod */
#define REPLY_TIMEOUT 30      /* for the reply, once the agent has received the request */
#define LOG_TIMEOUT 1         /* for a reader of stderr; afterwards lines are dropped until it reads */
#define LOST_TIMEOUT 5        /* for an agent that did not reply to release the pod's netns */
#define ALIVE_TIMEOUT 4       /* for the reply to the liveness probe, whose own timeout is 5 s */
#define SLOT_TIMEOUT 60       /* for other calls on this node that run without the agent */

#define AS_TEXT_(seconds) #seconds
#define AS_TEXT(seconds) AS_TEXT_(seconds)

#ifdef TEST_OVERRIDES
/* Replaces settings by TAPWIRE_* variables. Only the tests' build of the shim has this. */
void read_overrides(char **environment);

/* Adds TAPWIRE_NODE_FILE to the scrubbed vector, for the one-shot. */
void pass_overrides(char **environment);
#else
static inline void read_overrides(char **environment) { (void)environment; }
static inline void pass_overrides(char **environment) { (void)environment; }
#endif

/* Path of the agent's socket. */
const char *agent_socket(void);

/* Path of the fallback's directory if a test moved it; NULL: it is next to the executable. */
const char *fallback_elsewhere(void);

/* Converts a timeout from seconds to milliseconds, divided by the time scale of a test. */
long milliseconds(int seconds);

/*
 * Converts AGENT_TIMEOUT_*, which has a scale of its own: a test that shortens the other timeouts
 * must not miss an agent that is running.
 */
long hello_milliseconds(int seconds);
