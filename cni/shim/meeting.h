/* Finding an agent that has room for a call. */
#pragma once

/*
 * Connects and waits for the hello; nothing is sent before it, so that a request never waits at an agent that does not
 * read. Returns the socket; -EAGAIN where an agent may be there a moment later; another negative errno where there is none
 * to wait for.
 */
long meet_agent(long deadline);
