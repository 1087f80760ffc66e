/* One request and its reply, as bytes on the socket. All numbers are little-endian, as both processors are. */
#pragma once

#include "agent.h"

/* Sends the call with the descriptors and waits for the whole reply, within REPLY_TIMEOUT. */
struct conversation exchange(int socket, const struct call *call, const struct netns *netns);
