#ifndef TAPWIRE_SCRIPT_H
#define TAPWIRE_SCRIPT_H

#include <stdbool.h>

#include "failure.h"
#include "rtnetlink.h"
#include "sysctl.h"
#include "tap.h"

/* One thing to do in a netns. */
struct part {
  enum {
    PART_EXCHANGE,
    PART_DELETE_LINK,
    PART_CREATE_TAP,
    PART_PERSIST_TAP,
    PART_READ_SYSCTL,
    PART_WRITE_SYSCTL,
    PART_QUERY_TCX,
    PART_READ_PROGRAM,
    PART_NFTABLES,
  } kind;
  /* Netlink requests of the first two kinds; nftables requests of the last. */
  struct bytes requests;
  struct tap tap;
  struct sysctl sysctl;
  /* Id of the program to read. */
  uint32_t program;
  bool ran;
  struct failure failure;
  /* Netlink answers of the first two kinds; a sysctl's text; TCX and programs as in bpf.h; nftables answers of the last. */
  struct bytes answers;
};

/* What is done in one netns without going back to JavaScript in between: each way there and back costs more than a request. */
struct script {
  int netns;
  /* An rtnetlink socket there; opened first if it is negative. Negative again after a failure of it. */
  int socket;
  /* A netfilter socket there; opened by the first part that needs it if it is negative. Negative again after a failure of it. */
  int nftables;
  /* A tap that lives as long as this descriptor; negative without one. */
  int tap;
  /* The same, once it is persistent: to be closed, which waits for RCU. */
  int done_tap;
  /* Whether it goes on after a part that failed, or that the kernel refused something of. */
  bool continue_on_error;
  int count;
  struct part parts[];
};

/* Fails only where the netns cannot be reached; what parts fail by is theirs. */
struct failure run_script(struct script *script);

#endif
