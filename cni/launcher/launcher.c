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

/* In the order in which they are looked for; the first two are what is run. */
static const char *const FILES[] = {"node", "index.js", "package.json", "tapwire.node"};
enum { FILE_COUNT = sizeof FILES / sizeof FILES[0] };

/* Prints a CNI error object. */
static int fail(const char *path, const char *reason) {
  printf("{\"cniVersion\":\"1.0.0\",\"code\":5,\"msg\":\"Cannot run \\\"");
  for (const char *c = path; *c != '\0'; c++) putchar(*c == '"' || *c == '\\' || (unsigned char)*c < ' ' ? '?' : *c);
  printf("\\\": %s\",\"details\":\"tapwire and the folder .tapwire belong together in the CNI bin directory: "
         "copy both, following links (cp -rL)\"}\n",
         reason);
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
  char folder[PATH_MAX], files[FILE_COUNT][PATH_MAX + 32];
  ssize_t length = readlink("/proc/self/exe", folder, sizeof folder - 1);
  if (length < 0) return fail("/proc/self/exe", strerror(errno));
  folder[length] = '\0';
  *strrchr(folder, '/') = '\0';
  for (int i = 0; i < FILE_COUNT; i++) {
    snprintf(files[i], sizeof files[i], "%s/.tapwire/%s", folder, FILES[i]);
    if (access(files[i], R_OK) < 0) return fail(files[i], strerror(errno));
  }

  char **kept = environment;
  for (char **variable = environment; *variable != NULL; variable++)
    if (is_ours(*variable)) *kept++ = *variable;
  *kept = NULL;

  execve(files[0], (char *[]){files[0], files[1], NULL}, environment);
  return fail(files[0], strerror(errno));
}
