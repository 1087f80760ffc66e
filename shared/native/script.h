#ifndef TAPWIRE_SCRIPT_H
#define TAPWIRE_SCRIPT_H

#include <stdbool.h>

#include "failure.h"
#include "kernel-file.h"
#include "rtnetlink.h"
#include "tap.h"

/* One step of a script. */
struct part {
  enum {
    PART_EXCHANGE,
    PART_DELETE_LINK,
    PART_CREATE_TAP,
    PART_PERSIST_TAP,
    PART_READ_FILE,
    PART_WRITE_FILE,
    PART_QUERY_TCX,
    PART_READ_PROGRAM,
    PART_NFTABLES,
    PART_EXCHANGE_AT_HOME,
  } kind;
  /* rtnetlink requests; those to nftables of PART_NFTABLES. */
  struct bytes requests;
  /* PART_EXCHANGE: a `struct keep` for each request, or nothing. */
  struct bytes keeps;
  struct tap tap;
  struct kernel_file file;
  /* PART_READ_PROGRAM: the id of the program. */
  uint32_t program;
  /* Whether the part was reached. */
  bool ran;
  struct failure failure;
  /* The kernel's answers; a file's text; TCX programs and instructions as in bpf.h. */
  struct bytes answers;
};

/*
 * Steps that run in one netns without returning to JavaScript in between, because each return costs
 * more than a request to the kernel.
 */
struct script {
  int netns;
  /* An rtnetlink socket in the netns; if negative, opened first. Becomes negative if it fails. */
  int socket;
  /*
   * A netfilter socket in the netns; if negative, opened by the first part that needs it. Becomes
   * negative if it fails.
   */
  int nftables;
  /* A tap that is not persistent yet and lives as long as this descriptor; negative: none. */
  int tap;
  /* Its descriptor once the tap is persistent. JavaScript closes it, which waits for RCU. */
  int done_tap;
  /* Whether to run the next part after one that failed or that the kernel refused. */
  bool continue_on_error;
  int count;
  struct part parts[];
};

/*
 * Runs the parts in order. Fails only if the socket cannot be opened; parts store their own
 * failures.
 */
struct failure run_script(struct script *script);

#endif
