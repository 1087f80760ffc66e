/* One call of the plugin by the container runtime. */
#pragma once

#include "text.h"

struct call {
  /* CNI_COMMAND. */
  const char *command;
  /* CNI_NETNS; "" if the command has no netns. */
  const char *netns_path;
  /* CNI's variables only: as a vector for execve(2), and as the bytes that the agent gets. */
  char **environment;
  struct bytes variables;
  /* The network configuration, from stdin. */
  struct bytes input;
  /* The errno of reading stdin, or 0. */
  int input_errno;
};
