/*
 * /opt/cni/bin/tapwire, the executable that the container runtime calls. It passes the call to the
 * node's agent and prints the reply. Without an agent it runs the fallback: the same code in the
 * Node installed next to it.
 *
 * It is linked without a C library. So there is nothing to load, search for or configure, and it
 * starts and exits within a tenth of a millisecond.
 */
#include "agent.h"
#include "alive.h"
#include "clock.h"
#include "descriptors.h"
#include "environment.h"
#include "fallback.h"
#include "handshake.h"
#include "input.h"
#include "kernel.h"
#include "mktap.h"
#include "netns.h"
#include "output.h"
#include "settings.h"

_Noreturn void start(long *stack);
DEFINE_START(start);

/* Describes the plugin to a user who runs it by hand, as libcni's pkg/skel does. */
_Noreturn static void print_about(void) {
  static const char ABOUT[] =
      "CNI plugin tapwire v" TAPWIRE_VERSION ": " DESCRIPTION "\n"
      "CNI protocol versions supported: " SUPPORTED_VERSIONS "\n";
  write_all(2, (struct bytes){ABOUT, sizeof ABOUT - 1});
  sys_exit(0);
}

/* Makes write(2) fail instead: on a broken pipe, and on a file at its RLIMIT_FSIZE. */
static void ignore_signals_of_write(void) {
  struct sigaction ignore = {.sa_handler = SIG_IGN};
  sys_sigaction(SIGPIPE, &ignore);
  sys_sigaction(SIGXFSZ, &ignore);
}

static struct call read_call(char **environment) {
  read_overrides(environment);
  struct call call = {.environment = environment, .variables = scrub(environment)};
  call.command = find_variable(environment, "CNI_COMMAND=");
  call.netns_path = "";
  if (call.command[0] == '\0') print_about();
  if (equal(call.command, "ADD") || equal(call.command, "DEL") || equal(call.command, "CHECK"))
    call.netns_path = find_variable(environment, "CNI_NETNS=");
  if (!equal(call.command, "VERSION")) read_input(&call);
  return call;
}

/*
 * Opens both netns and locks the pod's. If another call holds the lock, closes the connection to
 * the agent while it waits, so that the agent serves others, and connects again afterwards.
 */
static struct netns open_locked(const struct call *call, long *socket) {
  struct netns netns = open_netns(call->netns_path);
  long status = lock_pod(&netns, 0);
  if (status == -EAGAIN) {
    if (*socket >= 0) sys_close((int)*socket);
    status = lock_pod(&netns, LOCK_TIMEOUT);
    if (status == -EAGAIN)
      fail(TRY_AGAIN, NULL, "Cannot lock the pod's netns: another call has held it for " AS_TEXT(LOCK_TIMEOUT) " s");
    *socket = connect_agent();
  }
  if (status < 0) fail(IO_FAILURE, NULL, "Cannot lock the pod's netns: ", errno_text(-status));
  return netns;
}

/*
 * Completes a call that the agent received but did not reply to. A netns must never have two
 * writers, so this first waits until the agent has closed the pod's netns. The lock shows when: it
 * is taken on a file opened again, because the agent's copy of the first descriptor shares that
 * descriptor's lock.
 */
_Noreturn static void take_over(const struct call *call, const char *how) {
  struct netns netns = open_netns(call->netns_path);
  if (lock_pod(&netns, LOST_TIMEOUT) < 0)
    fail(TRY_AGAIN, NULL, "Cannot tell how ", call->command, " ended: the agent accepted the request but ", how,
         "; try again");
  warn("The agent accepted ", call->command, " but ", how, "; completing it without the agent");
  run_fallback(call, &netns, "no reply from the agent at");
}

/* Runs a call that no agent received. A missing socket is not logged: that node has no agent. */
_Noreturn static void continue_without_agent(const struct call *call, struct netns *netns, long number) {
  const char *socket = agent_socket(), *command = call->command;
  if (number == ENOENT || number == ENOTDIR) run_fallback(call, netns, "no agent at");
  if (number == ETIMEDOUT) {
    const char *timeout = equal(command, "ADD") ? AS_TEXT(AGENT_TIMEOUT_ADD) : AS_TEXT(AGENT_TIMEOUT_OTHER);
    warn("No agent at \"", socket, "\" answered within ", timeout, " s; running ", command, " without it");
  } else {
    warn("Cannot reach the agent at \"", socket, "\": ", errno_text(number), "; running ", command, " without it");
  }
  run_fallback(call, netns, "no reply from an agent at");
}

_Noreturn void start(long *stack) {
  int argc = (int)stack[0];
  char **argv = (char **)(stack + 1);
  ignore_signals_of_write();
  if (argc > 1 && equal(argv[1], "mktap")) {
    tidy_descriptors(mktap_descriptor(argc, argv));
    sys_exit(make_tap(argc, argv));
  }
  tidy_descriptors(-1);
  if (argc > 1 && equal(argv[1], "alive")) {
    read_overrides(argv + argc + 1);
    sys_exit(check_alive());
  }

  struct call call = read_call(argv + argc + 1);
  long socket = connect_agent(); /* the agent says hello while open_locked runs */
  struct netns netns = open_locked(&call, &socket);
  struct conversation conversation = ask_agent(&call, &netns, socket);
  if (conversation.outcome != NOT_SENT) close_netns(&netns);
  switch (conversation.outcome) {
    case REPLIED:
      write_log(conversation.reply.err);
      finish(conversation.reply.out, conversation.reply.status);
    case NOT_SENT:
      continue_without_agent(&call, &netns, conversation.number);
    case LOST:
      take_over(&call, conversation.how);
  }
  __builtin_unreachable();
}
