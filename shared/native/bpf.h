#ifndef TAPWIRE_BPF_H
#define TAPWIRE_BPF_H

#include <stdint.h>

#include "failure.h"
#include "rtnetlink.h"

/*
 * Finds the TCX programs at the ingress of Ethernet links. `links` holds the answers to a dump of
 * links. Appends two 32-bit numbers for each program, the ifindex of its link and its id, in the
 * order in which the programs run. Asks about the first 64 links only. Fails with EINVAL on a
 * kernel without TCX (before 6.6), and with EPERM without the permission to ask.
 */
struct failure query_tcx(int netns, const struct bytes *links, struct bytes *programs);

/*
 * A program as JavaScript gets it. Its instructions follow, unless they are too many (more than 32
 * KiB) or hidden by the kernel.
 */
struct program {
  uint32_t id;
  uint32_t type;
  /* Bytes of all its instructions, and of those that follow. */
  uint32_t whole;
  uint32_t length;
  /* Ends with a 0. */
  char name[16];
};

/* Reads a program by its id, wherever on the node it is attached. */
struct failure read_program(uint32_t id, struct bytes *program);

#endif
