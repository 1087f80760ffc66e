/* Where things are, and how long the shim waits for what. */
#pragma once

/* Seconds; each appears in the message that says that it ran out. */
#define INPUT_TIMEOUT 30      /* for all of stdin */
#define LOCK_TIMEOUT 15       /* for another call to let go of the pod's netns */
#define AGENT_TIMEOUT_ADD 10  /* for an agent that restarts; a runtime that adds a pod would only begin again */
#define AGENT_TIMEOUT_OTHER 2 /* the same for all else: a pod's end must not wait long for a DaemonSet's upgrade */
#define REPLY_TIMEOUT 30      /* for the answer, once the agent has the request */
#define LOST_TIMEOUT 5        /* for an agent that did not answer to let go of the pod's netns */
#define SLOT_TIMEOUT 60       /* for the other calls on this node that run without the agent */

#define AS_TEXT_(seconds) #seconds
#define AS_TEXT(seconds) AS_TEXT_(seconds)

#ifdef TEST_OVERRIDES
/* Takes what the environment says instead. Only the build that tests run has this. */
void read_overrides(char **environment);

/* Gives the one-shot what is meant for it. The vector is one that was scrubbed. */
void pass_overrides(char **environment);
#else
static inline void read_overrides(char **environment) { (void)environment; }
static inline void pass_overrides(char **environment) { (void)environment; }
#endif

/* Path of the agent's socket. */
const char *agent_socket(void);

/* Path of the runtime's directory where it is not beside the executable, else NULL. */
const char *fallback_elsewhere(void);

/* Milliseconds of a timeout. */
long milliseconds(int seconds);

/* The same of AGENT_PATIENCE_*: tests that let other waits run out must not lose an agent that is there. */
long hello_milliseconds(int seconds);
