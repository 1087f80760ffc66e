#include "settings.h"

#include <linux/limits.h>
#include <stddef.h>

#include "environment.h"
#include "text.h"

static const char *socket_path = "/run/tapwire/agent.sock";
static const char *fallback_path = NULL;
static long time_scale = 1;
static long hello_second = 1000; // ms

const char *agent_socket(void) { return socket_path; }
const char *fallback_elsewhere(void) { return fallback_path; }
long milliseconds(int seconds) { return seconds * 1000L / time_scale; }
long hello_milliseconds(int seconds) { return seconds * hello_second; }

#ifdef TEST_OVERRIDES
/* Copies, because scrub overwrites the strings of the environment. */
static char socket_override[128], fallback_override[PATH_MAX];
static char node_file[PATH_MAX] = "TAPWIRE_NODE_FILE=";
static const size_t NODE_FILE_NAME = sizeof "TAPWIRE_NODE_FILE=" - 1;

void read_overrides(char **environment) {
  append(socket_override, sizeof socket_override, find_variable(environment, "TAPWIRE_AGENT_SOCKET="));
  append(fallback_override, sizeof fallback_override, find_variable(environment, "TAPWIRE_RUNTIME_DIR="));
  append(node_file, sizeof node_file, find_variable(environment, node_file));
  if (socket_override[0] != '\0') socket_path = socket_override;
  if (fallback_override[0] != '\0') fallback_path = fallback_override;
  long divisor = parse_number(find_variable(environment, "TAPWIRE_HASTE="), 1000);
  if (divisor > 0) time_scale = divisor;
  long second = parse_number(find_variable(environment, "TAPWIRE_HELLO_SECOND="), 100000);
  if (second > 0) hello_second = second;
}

void pass_overrides(char **environment) {
  if (node_file[NODE_FILE_NAME] == '\0') return;
  while (*environment != NULL) environment++;
  environment[0] = node_file; // fits: scrub removed this variable from the vector
  environment[1] = NULL;
}
#endif
