#ifndef TAPWIRE_SYSCTL_H
#define TAPWIRE_SYSCTL_H

#include "failure.h"
#include "rtnetlink.h"

/* Those that there is a reason to touch, in the order of SYSCTLS in part.ts: what comes from JavaScript is never a path. */
enum sysctl_key { SYSCTL_UNPRIVILEGED_PORT_START, SYSCTL_PING_GROUP_RANGE, SYSCTL_COUNT };

/* A sysctl, and what it is to be; room for two numbers of 32 bits. */
struct sysctl {
  unsigned key;
  char value[32];
};

/* What it is, as it reads, with the newline; free(value->data) when done. */
struct failure read_sysctl(int netns, const struct sysctl *sysctl, struct bytes *value);
struct failure write_sysctl(int netns, const struct sysctl *sysctl);

#endif
