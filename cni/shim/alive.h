/* tapwire alive: the liveness probe of the DaemonSet. */
#pragma once

/*
 * Asks the agent, at the socket next to its own, whether it is alive. Returns the exit status: 0,
 * or 1 after a line on stderr that says why not. An agent that does not reply is not alive.
 */
int check_alive(void);
