#include "fallback.h"

#include <linux/limits.h>

#include "clock.h"
#include "kernel.h"
#include "output.h"
#include "settings.h"

/* What root runs must be root's alone. In the order in which it is looked at. */
static const char *const FILES[] = {".", "lib", "lib/ld.so", "node", "index.js", "package.json", "tapwire.node"};
enum { FILE_COUNT = sizeof FILES / sizeof FILES[0] };

static const char BELONG_TOGETHER[] = "tapwire and the folder .tapwire belong together in the CNI bin directory: "
                                      "install them again, as docs/install.md says";
static const char NEED_ONE[] = "The pod of the tapwire DaemonSet on this node must be running; "
                               "or install the runtime, which works without it";

static char path[PATH_MAX + sizeof "/.tapwire"];

_Noreturn static void reject(const char *file, const char *reason) {
  bool is_folder = file[0] == '.';
  fail(IO_FAILURE, BELONG_TOGETHER, "Cannot run \"", path, is_folder ? "" : "/", is_folder ? "" : file,
       "\": ", reason);
}

/* Neither argv nor the environment decides what root runs: the folder is the one in which this executable lies. */
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

/* The descriptor stays open in the one-shot, and with it the lock that is taken on it. */
static int open_fallback(const struct call *call, const char *agent_state) {
  long directory = sys_open(path, O_RDONLY | O_DIRECTORY);
  if (directory == -ENOENT) {
    fail(TRY_AGAIN, NEED_ONE, "Cannot do ", call->command, ": there is ", agent_state, " \"", agent_socket(),
         "\" and no runtime at \"", path, "\"");
  }
  if (directory < 0) reject(".", errno_text(-directory));
  return (int)directory;
}

static void take_slot(int directory, const struct call *call) {
  long status = lock_within(directory, SLOT_TIMEOUT);
  if (status == -EAGAIN) {
    fail(TRY_AGAIN, "Without the agent, one call runs at a time on a node", "Cannot do ", call->command,
         ": no turn came at \"", path, "\" within " AS_TEXT(SLOT_TIMEOUT) " s; try again");
  }
  if (status < 0) reject(".", errno_text(-status));
}

static void check_files(int directory) {
  for (int i = 0; i < FILE_COUNT; i++) {
    struct stat status;
    long failure = sys_stat_at(directory, FILES[i], &status, 0);
    if (failure < 0) reject(FILES[i], errno_text(-failure));
    if (status.st_uid != 0) reject(FILES[i], "it does not belong to root");
    if (status.st_mode & (S_IWGRP | S_IWOTH)) reject(FILES[i], "others than root may write to it");
  }
}

/* Gives the one-shot what was read from stdin. */
static void replay(struct bytes input) {
  long memory = sys_memfd_create("stdin");
  if (memory < 0) fail(IO_FAILURE, NULL, "Cannot keep the network configuration: ", errno_text(-memory));
  long status = write_all((int)memory, input);
  if (status == 0) status = sys_lseek((int)memory, 0);
  if (status == 0) status = sys_dup3((int)memory, 0, 0);
  if (status < 0) fail(IO_FAILURE, NULL, "Cannot keep the network configuration: ", errno_text(-status));
  sys_close((int)memory);
}

_Noreturn void run_fallback(const struct call *call, const char *agent_state) {
  if (call->input_errno != 0) fail(IO_FAILURE, NULL, "error reading from stdin: ", errno_text(call->input_errno));
  find_fallback();
  int directory = open_fallback(call, agent_state);
  take_slot(directory, call);
  check_files(directory);
  if (call->input.start != NULL) replay(call->input);
  /* Paths are relative: what was checked is what is run, and a colon in the folder's name means nothing to the loader. */
  long status = sys_fchdir(directory);
  if (status < 0) reject(".", errno_text(-status));
  pass_overrides(call->environment);
  char *const argv[] = {"node", "--library-path", "lib", "./node", "./index.js", NULL};
  status = sys_execve("lib/ld.so", argv, call->environment);
  reject("lib/ld.so", errno_text(-status));
}
