#ifndef TAPWIRE_BPF_H
#define TAPWIRE_BPF_H

#include <stdint.h>

#include "failure.h"
#include "rtnetlink.h"

/*
 * Asks which TCX programs are at the ingress of the Ethernet links that `links`, answers to a dump of links first of all, holds: of each
 * program two numbers of 32 bits, the ifindex of its link and its id, in the order in which they run. Fails with EINVAL on a kernel
 * without TCX (before 6.6), and with EPERM if this process may not ask.
 */
struct failure query_tcx(int netns, const struct bytes *links, struct bytes *programs);

/* What is known of a program: four numbers, a name that ends with 0, and the instructions unless they are too many or not readable. */
struct program {
  uint32_t id;
  uint32_t type;
  /* Bytes of instructions in all, and of those that follow. */
  uint32_t whole;
  uint32_t length;
  char name[16];
};

/* Reads a program that is loaded anywhere on the machine. */
struct failure read_program(uint32_t id, struct bytes *program);

#endif
