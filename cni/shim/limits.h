/* The resource limits (setrlimit(2)) that the caller started this process with. */
#pragma once

/* A limit under which Node cannot run. `name` is NULL if there is none. */
struct low_limit {
  /* As setrlimit(2) names it: "RLIMIT_NOFILE". */
  const char *name;
  /* The lowest value with which Node starts, as text. */
  const char *least;
};

/*
 * Raises limits to what Node needs for any call, and leaves higher ones as they are. Raises to the
 * hard limit if this process may not raise that (CAP_SYS_RESOURCE). Under a limit that is still too
 * low for Node to start, Node ends by a signal without a result, or hangs.
 */
struct low_limit raise_limits(void);
