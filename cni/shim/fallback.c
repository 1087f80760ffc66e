#include "fallback.h"

#include <linux/limits.h>

#include "clock.h"
#include "kernel.h"
#include "limits.h"
#include "output.h"
#include "settings.h"
#include "trust.h"

static const char BELONG_TOGETHER[] = "The executable tapwire and the directory .tapwire belong together in the CNI bin "
                                      "directory; install both again as docs/install.md describes";
static const char NEED_ONE[] = "Start the pod of the tapwire DaemonSet on this node, "
                               "or install the fallback, which works without the agent";
static const char RAISE_IT[] = "Node.js cannot start under this resource limit; raise it for the container runtime, "
                               "or start the pod of the tapwire DaemonSet on this node";

/*
 * Above all numbers that the shim's own descriptors get: main() begins with none above 2, and each
 * takes the lowest free number.
 */
#define PASSED_NETNS 9

static char path[PATH_MAX + sizeof "/.tapwire"];

_Noreturn static void reject(const char *file, const char *reason) {
  bool is_directory = equal(file, ".");
  fail(IO_FAILURE, BELONG_TOGETHER, "Cannot run \"", path, is_directory ? "" : "/", is_directory ? "" : file,
       "\": ", reason);
}

/*
 * Stores the path of `.tapwire`, which is next to this executable. argv and the environment have no
 * influence: a caller must not choose what root runs.
 */
static void find_fallback(void) {
  if (fallback_elsewhere() != NULL) {
    append(path, sizeof path, fallback_elsewhere());
    return;
  }
  static const char SELF[] = "/proc/self/exe";
  long length = sys_readlink(SELF, path, PATH_MAX - 1);
  if (length < 0) fail(IO_FAILURE, NULL, "Cannot read \"", SELF, "\": ", errno_text(-length));
  while (length > 0 && path[length - 1] != '/') length--;
  path[length] = '\0';
  append(path, sizeof path, ".tapwire");
}

/* Opens the directory. The one-shot inherits the descriptor, and with it the lock taken on it. */
static int open_fallback(const struct call *call, const char *agent_state) {
  long directory = sys_open(path, O_RDONLY | O_DIRECTORY);
  if (directory == -ENOENT) {
    fail(TRY_AGAIN, NEED_ONE, "Cannot run ", call->command, ": there is ", agent_state, " \"", agent_socket(),
         "\" and no fallback at \"", path, "\"");
  }
  if (directory < 0) reject(".", errno_text(-directory));
  return (int)directory;
}

static void take_slot(int directory, const struct call *call) {
  long status = lock_within(directory, SLOT_TIMEOUT);
  if (status == -EAGAIN) {
    fail(TRY_AGAIN, "Without the agent, a node runs one call at a time", "Cannot run ", call->command,
         ": waited " AS_TEXT(SLOT_TIMEOUT) " s for other calls that use the fallback at \"", path, "\"; try again");
  }
  if (status < 0) reject(".", errno_text(-status));
}

static void check_files(int directory) {
  struct distrusted file = find_distrusted(directory);
  if (file.reason != NULL) reject(file.name, file.reason);
}

static void check_limits(const struct call *call) {
  struct low_limit limit = raise_limits();
  if (limit.name == NULL) return;
  fail(IO_FAILURE, RAISE_IT, "Cannot run ", call->command, " without the agent: ", limit.name, " is below ",
       limit.least, ", and this process may not raise it");
}

/* Makes the input that was read from stdin the stdin of the one-shot. */
static void replay(struct bytes input) {
  long memory = sys_memfd_create("stdin");
  if (memory < 0) fail(IO_FAILURE, NULL, "Cannot keep the network configuration: ", errno_text(-memory));
  long status = write_all((int)memory, input);
  if (status == 0) status = sys_lseek((int)memory, 0);
  if (status == 0) status = sys_dup3((int)memory, 0, 0);
  if (status < 0) fail(IO_FAILURE, NULL, "Cannot keep the network configuration: ", errno_text(-status));
  sys_close((int)memory);
}

/*
 * Lets the one-shot inherit the pod's netns as PASSED_NETNS, if it is locked. Returns the argument
 * that tells the one-shot (cni/main.ts) so: the number, or "-1".
 */
static char *pass_on(struct netns *netns) {
  if (!netns->is_locked) return "-1";
  long status = sys_dup3(netns->pod, PASSED_NETNS, 0);
  if (status < 0) fail(IO_FAILURE, NULL, "Cannot pass the pod's netns to the fallback: ", errno_text(-status));
  close_netns(netns);
  return AS_TEXT(PASSED_NETNS);
}

_Noreturn void run_fallback(const struct call *call, struct netns *netns, const char *agent_state) {
  if (call->input_errno != 0) fail(IO_FAILURE, NULL, "error reading from stdin: ", errno_text(call->input_errno));
  find_fallback();
  check_limits(call);
  int directory = open_fallback(call, agent_state);
  take_slot(directory, call);
  check_files(directory);
  if (call->input.start != NULL) replay(call->input);
  char *passed = pass_on(netns);
  /*
   * The paths are relative to the open directory, so the files that were checked are those that
   * run. The loader would split an absolute library path at colons.
   */
  long status = sys_fchdir(directory);
  if (status < 0) reject(".", errno_text(-status));
  pass_overrides(call->environment);
  char *const argv[] = {"node", "--library-path", "lib", "./node", "./index.js", passed, NULL};
  status = sys_execve("lib/ld.so", argv, call->environment);
  reject("lib/ld.so", errno_text(-status));
}
