/*
 * /opt/cni/bin/tapwire: runs the plugin's bundle with the Node that lies beside it (.tapwire/node, .tapwire/index.js).
 *
 * A runtime may call it with an empty PATH and any working directory, and passes its own environment on; Node gets only what
 * CNI defines, so that no NODE_OPTIONS or LD_PRELOAD of the caller's runs as root.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define MAX_VARIABLES 32

static int fail(const char *path, const char *reason) {
  printf("{\"cniVersion\":\"1.0.0\",\"code\":5,\"msg\":\"Cannot run \\\"%s\\\": %s\","
         "\"details\":\"tapwire and the folder .tapwire belong together in the CNI bin directory: copy both, following links (cp -rL)\"}\n",
         path, reason);
  return 1;
}

static int starts_with(const char *variable, const char *prefix) {
  return strncmp(variable, prefix, strlen(prefix)) == 0;
}

static int is_ours(const char *variable) {
#ifdef TEST_OVERRIDES
  if (starts_with(variable, "TAPWIRE_NODE_FILE=")) return 1;
#endif
  return starts_with(variable, "CNI_") || starts_with(variable, "TRACEPARENT=");
}

int main(int argc, char **argv, char **environment) {
  (void)argc;
  (void)argv;
  char folder[PATH_MAX], node[PATH_MAX + 32], bundle[PATH_MAX + 32];
  ssize_t length = readlink("/proc/self/exe", folder, sizeof folder - 1);
  if (length < 0) return fail("/proc/self/exe", strerror(errno));
  folder[length] = '\0';
  *strrchr(folder, '/') = '\0';
  snprintf(node, sizeof node, "%s/.tapwire/node", folder);
  snprintf(bundle, sizeof bundle, "%s/.tapwire/index.js", folder);

  char *scrubbed[MAX_VARIABLES + 1];
  int count = 0;
  for (char **variable = environment; *variable != NULL && count < MAX_VARIABLES; variable++)
    if (is_ours(*variable)) scrubbed[count++] = *variable;
  scrubbed[count] = NULL;

  execve(node, (char *[]){node, bundle, NULL}, scrubbed);
  return fail(node, strerror(errno));
}
