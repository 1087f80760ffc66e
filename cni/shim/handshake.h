/* Finding an agent that has room for a call. */
#pragma once

/* Connects, and does not wait. Returns the socket or a negative errno. */
long connect_agent(void);

/*
 * Waits for the hello on what connect_agent returned; nothing is sent before it, so that a request never waits at an agent that does not
 * read. Returns the socket; -EAGAIN where an agent may be there a moment later; another negative errno where there is none
 * to wait for. Then the socket is closed.
 */
long await_hello(long socket, long deadline);
