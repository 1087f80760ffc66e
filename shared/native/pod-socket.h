#ifndef TAPWIRE_POD_SOCKET_H
#define TAPWIRE_POD_SOCKET_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "failure.h"

enum { MAX_SAID = 16 * 1024 };

/* One connection to a unix stream socket with an abstract name, in a pod's netns. */
struct hearing {
  int netns;
  struct sockaddr_un address;
  socklen_t address_length;
  int milliseconds;
  /* Whether the server ended its stream in time, and what it said, up to MAX_SAID bytes. */
  bool ended;
  size_t length;
  uint8_t said[MAX_SAID];
  struct failure failure;
};

/*
 * Connects, and waits until the server has ended its stream. Sends nothing. The server may be any
 * process of the pod: whatever it does, this takes no longer than `milliseconds`.
 */
struct failure hear(struct hearing *hearing);

#endif
