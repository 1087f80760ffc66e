#include "settings.h"

#include <linux/limits.h>
#include <stddef.h>

#include "environment.h"
#include "text.h"

static const char *socket_path = "/run/tapwire/agent.sock";
static const char *runtime_path = NULL;
static long haste = 1;
static long hello_second = 1000; // ms

const char *agent_socket(void) { return socket_path; }
const char *runtime_elsewhere(void) { return runtime_path; }
long milliseconds(int seconds) { return seconds * 1000L / haste; }
long hello_milliseconds(int seconds) { return seconds * hello_second; }

#ifdef TEST_OVERRIDES
/* Copies, since scrubbing the environment overwrites what it holds. */
static char socket_override[128], runtime_override[PATH_MAX];
static char node_file[PATH_MAX] = "TAPWIRE_NODE_FILE=";
static const size_t NODE_FILE_NAME = sizeof "TAPWIRE_NODE_FILE=" - 1;

void read_overrides(char **environment) {
  append(socket_override, sizeof socket_override, find_variable(environment, "TAPWIRE_AGENT_SOCKET="));
  append(runtime_override, sizeof runtime_override, find_variable(environment, "TAPWIRE_RUNTIME_DIR="));
  append(node_file, sizeof node_file, find_variable(environment, node_file));
  if (socket_override[0] != '\0') socket_path = socket_override;
  if (runtime_override[0] != '\0') runtime_path = runtime_override;
  long divisor = parse_number(find_variable(environment, "TAPWIRE_HASTE="), 1000);
  if (divisor > 0) haste = divisor;
  long second = parse_number(find_variable(environment, "TAPWIRE_HELLO_SECOND="), 100000);
  if (second > 0) hello_second = second;
}

void pass_overrides(char **environment) {
  if (node_file[NODE_FILE_NAME] == '\0') return;
  while (*environment != NULL) environment++;
  environment[0] = node_file; // the place of the variable itself, which was scrubbed
  environment[1] = NULL;
}
#endif
