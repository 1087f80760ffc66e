/* Connects to an agent and waits until it is ready for a request. */
#pragma once

/* Connects to a unix socket without waiting. Returns the socket or a negative errno. */
long connect_at(const char *path);

/* Connects to the agent. */
long connect_agent(void);

/*
 * Waits for the agent's hello on `socket`, the return value of connect_agent. Nothing is sent
 * before the hello, so a request never gets stuck at an agent that does not read. Returns the
 * socket. On failure closes it and returns -EAGAIN if trying again may help, or another negative
 * errno if it cannot.
 */
long await_hello(long socket, long deadline);
