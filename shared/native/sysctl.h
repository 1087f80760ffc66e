#ifndef TAPWIRE_SYSCTL_H
#define TAPWIRE_SYSCTL_H

#include "failure.h"
#include "rtnetlink.h"

/*
 * The sysctls that Tapwire uses, in the order of SYSCTLS in part.ts. JavaScript passes one of these
 * numbers, never a path.
 */
enum sysctl_key { SYSCTL_UNPRIVILEGED_PORT_START, SYSCTL_PING_GROUP_RANGE, SYSCTL_COUNT };

/* A sysctl and the value to write, with room for two 32-bit numbers. */
struct sysctl {
  unsigned key;
  char value[32];
};

/* Reads the text, its newline included. The caller calls free(value->data). */
struct failure read_sysctl(int netns, const struct sysctl *sysctl, struct bytes *value);
struct failure write_sysctl(int netns, const struct sysctl *sysctl);

#endif
