/* Sends one request and receives its reply. All integers are little-endian, as the CPUs are. */
#pragma once

#include "agent.h"

/*
 * Sends the call with the descriptors of both netns and waits for the whole reply. Both together
 * take at most REPLY_TIMEOUT.
 */
struct conversation exchange(int socket, const struct call *call, const struct netns *netns);
