/* One call of the plugin, as the runtime made it. */
#pragma once

#include "text.h"

struct call {
  /* CNI_COMMAND. */
  const char *command;
  /* CNI_NETNS; "" where the command has none. */
  const char *netns_path;
  /* CNI's variables alone: as the vector for execve(2), and as their bytes. */
  char **environment;
  struct bytes variables;
  struct bytes input;
  /* 0, or why stdin could not be read. */
  int input_errno;
};
