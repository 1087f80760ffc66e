/*
 * /opt/cni/bin/tapwire: what a container runtime calls. It hands the call to the node's agent, and prints its answer;
 * without an agent it runs the same code by the Node that lies beside it.
 *
 * It has no C library: nothing to load, to search for or to configure, and a tenth of a millisecond from start to end.
 */
#include "agent.h"
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

/* For a person who runs it by hand (libcni pkg/skel does the same). */
_Noreturn static void print_about(void) {
  static const char ABOUT[] =
      "CNI plugin tapwire v" TAPWIRE_VERSION ": " DESCRIPTION "\n"
      "CNI protocol versions supported: " SUPPORTED_VERSIONS "\n";
  write_all(2, (struct bytes){ABOUT, sizeof ABOUT - 1});
  sys_exit(0);
}

static void ignore_broken_pipes(void) {
  struct sigaction ignore = {.sa_handler = SIG_IGN};
  sys_sigaction(SIGPIPE, &ignore);
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

static struct netns open_locked(const struct call *call, long *socket) {
  struct netns netns = open_netns(call->netns_path);
  long status = lock_pod(&netns, 0);
  if (status == -EAGAIN) {
    /* Others may have the agent's attention while we wait for our turn. */
    if (*socket >= 0) sys_close((int)*socket);
    status = lock_pod(&netns, LOCK_TIMEOUT);
    *socket = connect_agent();
  }
  if (status == -EAGAIN)
    fail(TRY_AGAIN, NULL, "Cannot lock the pod's netns: another call has held it for " AS_TEXT(LOCK_TIMEOUT) " s");
  if (status < 0) fail(IO_FAILURE, NULL, "Cannot lock the pod's netns: ", errno_text(-status));
  return netns;
}

/*
 * The agent took the request and did not answer. There is never a second writer: it is our turn only when the agent has
 * let go of the pod's netns, which the lock tells, taken on a file that we open anew.
 */
_Noreturn static void take_over(const struct call *call, const char *how) {
  struct netns netns = open_netns(call->netns_path);
  if (lock_pod(&netns, LOST_TIMEOUT) < 0)
    fail(TRY_AGAIN, NULL, "Cannot tell how ", call->command, " ended: the agent took the request and ", how,
         "; try again");
  close_netns(&netns);
  warn("The agent took ", call->command, " and ", how, "; completing it without the agent");
  run_fallback(call, "no answer from the agent at");
}

/* Nobody took the request. A socket that is simply not there is how a node without the agent looks, and worth no word. */
_Noreturn static void continue_without_agent(const struct call *call, long number) {
  const char *socket = agent_socket(), *command = call->command;
  if (number == ENOENT || number == ENOTDIR) run_fallback(call, "no agent at");
  if (number == ETIMEDOUT) {
    const char *timeout = equal(command, "ADD") ? AS_TEXT(AGENT_TIMEOUT_ADD) : AS_TEXT(AGENT_TIMEOUT_OTHER);
    warn("No agent at \"", socket, "\" has answered for ", timeout, " s; doing ", command, " without it");
  } else {
    warn("Cannot reach the agent at \"", socket, "\": ", errno_text(number), "; doing ", command, " without it");
  }
  run_fallback(call, "no answer from an agent at");
}

_Noreturn void start(long *stack) {
  int argc = (int)stack[0];
  char **argv = (char **)(stack + 1);
  ignore_broken_pipes();
  if (argc > 1 && equal(argv[1], "mktap")) {
    tidy_descriptors(mktap_descriptor(argc, argv));
    sys_exit(make_tap(argc, argv));
  }
  tidy_descriptors(-1);

  struct call call = read_call(argv + argc + 1);
  long socket = connect_agent(); /* it says hello while we open and lock */
  struct netns netns = open_locked(&call, &socket);
  struct conversation conversation = ask_agent(&call, &netns, socket);
  close_netns(&netns);
  switch (conversation.outcome) {
    case REPLIED:
      write_all(2, conversation.reply.err);
      finish(conversation.reply.out, conversation.reply.status);
    case NOT_SENT:
      continue_without_agent(&call, conversation.number);
    case LOST:
      take_over(&call, conversation.how);
  }
  __builtin_unreachable();
}
