#include "settings.h"

#include <stddef.h>

#include "environment.h"
#include "text.h"

static const char *socket_path = "/run/tapwire/agent.sock";
static const char *runtime_path = NULL;
static long haste = 1;

const char *agent_socket(void) { return socket_path; }
const char *runtime_elsewhere(void) { return runtime_path; }
long milliseconds(int seconds) { return seconds * 1000L / haste; }

#ifdef TEST_OVERRIDES
void read_overrides(char **environment) {
  const char *socket = find_variable(environment, "TAPWIRE_AGENT_SOCKET=");
  const char *runtime = find_variable(environment, "TAPWIRE_RUNTIME_DIR=");
  const char *divisor = find_variable(environment, "TAPWIRE_HASTE=");
  if (socket[0] != '\0') socket_path = socket;
  if (runtime[0] != '\0') runtime_path = runtime;
  if (parse_number(divisor, 1000) > 0) haste = parse_number(divisor, 1000);
}
#endif
