#ifndef TAPWIRE_KERNEL_FILE_H
#define TAPWIRE_KERNEL_FILE_H

#include <net/if.h>

#include "failure.h"
#include "rtnetlink.h"

/*
 * The files of procfs and sysfs that Tapwire uses, in the order of FILES in part.ts. JavaScript
 * passes one of these numbers, never a path.
 */
enum { UNPRIVILEGED_PORT_START, PING_GROUP_RANGE, DISABLE_IPV6, TAP_DEVICE, FILE_COUNT };

/* A file and the value to write, with room for two 32-bit numbers. */
struct kernel_file {
  unsigned key;
  /* The link that the path contains, if it contains one. */
  char ifname[IFNAMSIZ];
  int ifindex;
  char value[32];
};

/* Reads the text, its newline included. The caller calls free(text->data). */
struct failure read_file(int netns, const struct kernel_file *file, struct bytes *text);
struct failure write_file(int netns, const struct kernel_file *file);

#endif
