/*
 * The few kernel requests that Node has no API for. Each function is one whole operation; native.ts is its only caller.
 *
 * A namespace switch belongs to a thread, and threads that Node starts while one is switched stay behind in the foreign
 * namespace. So the thread that runs JavaScript never switches: a short-lived child that shares memory and descriptors
 * (vfork-like) enters the netns, opens a descriptor there and exits. Sockets and /dev/net/tun descriptors keep the netns
 * that they were opened in, so that all later requests can be made from here.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <linux/netlink.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <node_api.h>

/* A failed request: its name, and errno. */
struct failure {
  const char *request;
  int number;
};

static napi_value throw_failure(napi_env env, struct failure failure) {
  napi_value error, message, number;
  napi_create_string_utf8(env, failure.request, NAPI_AUTO_LENGTH, &message);
  napi_create_error(env, NULL, message, &error);
  napi_create_int32(env, failure.number, &number);
  napi_set_named_property(env, error, "errno", number);
  napi_throw(env, error);
  return NULL;
}

/* Reads the only argument, a number; native.ts is typed, so a mismatch is a bug and throws a TypeError. */
static int read_integer(napi_env env, napi_callback_info info, int64_t *value) {
  napi_value argument;
  size_t given = 1;
  if (napi_get_cb_info(env, info, &given, &argument, NULL, NULL) == napi_ok && given == 1 &&
      napi_get_value_int64(env, argument, value) == napi_ok)
    return 1;
  napi_throw_type_error(env, NULL, "want a number");
  return 0;
}

/* ---- opening a descriptor in another netns ---- */

enum opening { OPEN_RTNETLINK, OPEN_TUN };

struct visit {
  int netns;
  enum opening opening;
  int fd;
  struct failure failure;
};

/* What a child leaves that is killed before it has done anything. */
#define KILLED ((struct failure){"wait for a child in the netns", ECHILD})

static int open_here(struct visit *visit) {
  if (visit->opening == OPEN_TUN) {
    visit->fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
    if (visit->fd < 0) visit->failure = (struct failure){"open /dev/net/tun", errno};
  } else {
    visit->fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    if (visit->fd < 0) visit->failure = (struct failure){"open a netlink socket", errno};
  }
  return 0;
}

static int visit_netns(void *argument) {
  struct visit *visit = argument;
  if (setns(visit->netns, CLONE_NEWNET) < 0) {
    visit->failure = (struct failure){"enter the netns", errno};
    return 0;
  }
  return open_here(visit);
}

/* Runs `act` in a child that shares our memory and descriptors, with `flags` of clone(2) besides. */
static void run_in_child(int (*act)(void *), int flags, struct visit *visit) {
  /* This thread waits while the child runs on our memory: no signal handler of Node may run in the child. */
  char stack[16384] __attribute__((aligned(16)));
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  int child = clone(act, stack + sizeof stack, CLONE_VM | CLONE_FILES | CLONE_VFORK | flags, visit);
  if (child < 0) visit->failure = (struct failure){"start a child", errno};
  else
    while (waitpid(child, NULL, __WALL) < 0 && errno == EINTR) continue;
  pthread_sigmask(SIG_SETMASK, &before, NULL);
}

/* Opens a descriptor in the netns behind the descriptor `netns`, or in our own when that is negative. */
static struct visit open_in(int netns, enum opening opening) {
  struct visit visit = {.netns = netns, .opening = opening, .fd = -1, .failure = KILLED};
  if (netns < 0) open_here(&visit);
  else run_in_child(visit_netns, 0, &visit);
  return visit;
}

static int open_own_netns(void *argument) {
  struct visit *visit = argument;
  visit->fd = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
  if (visit->fd < 0) visit->failure = (struct failure){"open /proc/self/ns/net", errno};
  return 0;
}

/* ---- what native.ts calls ---- */

/* openRtnetlink(netns) -> descriptor. Errors come with the kernel's text, requests are checked strictly. */
static napi_value open_rtnetlink(napi_env env, napi_callback_info info) {
  int64_t netns;
  if (!read_integer(env, info, &netns)) return NULL;
  struct visit visit = open_in((int)netns, OPEN_RTNETLINK);
  if (visit.fd < 0) return throw_failure(env, visit.failure);
  int on = 1;
  /* Kernels before 4.12 (4.20 for strict checking) lack these; then errors are bare and dumps are not filtered. */
  setsockopt(visit.fd, SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof on);
  setsockopt(visit.fd, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof on);
  setsockopt(visit.fd, SOL_NETLINK, NETLINK_GET_STRICT_CHK, &on, sizeof on);
  napi_value result;
  napi_create_int32(env, visit.fd, &result);
  return result;
}

/*
 * createTap(netns, ifname, multiQueue, owner, group) -> descriptor; a negative owner or group is none.
 * The tap lives as long as the descriptor, until persistTap.
 */
static napi_value create_tap(napi_env env, napi_callback_info info) {
  napi_value arguments[5];
  size_t given = 5;
  int64_t netns, owner, group;
  bool multi_queue;
  struct ifreq request = {0};
  size_t length;
  if (napi_get_cb_info(env, info, &given, arguments, NULL, NULL) != napi_ok || given != 5 ||
      napi_get_value_int64(env, arguments[0], &netns) != napi_ok ||
      napi_get_value_string_utf8(env, arguments[1], request.ifr_name, sizeof request.ifr_name, &length) != napi_ok ||
      napi_get_value_bool(env, arguments[2], &multi_queue) != napi_ok ||
      napi_get_value_int64(env, arguments[3], &owner) != napi_ok ||
      napi_get_value_int64(env, arguments[4], &group) != napi_ok) {
    napi_throw_type_error(env, NULL, "want (netns, ifname, multiQueue, owner, group)");
    return NULL;
  }
  struct visit visit = open_in((int)netns, OPEN_TUN);
  if (visit.fd < 0) return throw_failure(env, visit.failure);

  /* EXCL: without it an existing tap of that name is silently attached to. */
  request.ifr_flags = (short)(IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | IFF_TUN_EXCL | (multi_queue ? IFF_MULTI_QUEUE : 0));
  struct failure failure = {NULL, 0};
  if (ioctl(visit.fd, TUNSETIFF, &request) < 0) failure = (struct failure){"TUNSETIFF", errno};
  else if (owner >= 0 && ioctl(visit.fd, TUNSETOWNER, (unsigned long)owner) < 0)
    failure = (struct failure){"TUNSETOWNER", errno};
  else if (group >= 0 && ioctl(visit.fd, TUNSETGROUP, (unsigned long)group) < 0)
    failure = (struct failure){"TUNSETGROUP", errno};
  if (failure.request != NULL) {
    close(visit.fd);
    return throw_failure(env, failure);
  }
  napi_value result;
  napi_create_int32(env, visit.fd, &result);
  return result;
}

/* persistTap(tap): the tap outlives its descriptor. */
static napi_value persist_tap(napi_env env, napi_callback_info info) {
  int64_t tap;
  if (!read_integer(env, info, &tap)) return NULL;
  if (ioctl((int)tap, TUNSETPERSIST, 1) < 0) return throw_failure(env, (struct failure){"TUNSETPERSIST", errno});
  return NULL;
}

/* isNetns(fd) -> whether the descriptor is a network namespace. */
static napi_value is_netns(napi_env env, napi_callback_info info) {
  int64_t fd;
  if (!read_integer(env, info, &fd)) return NULL;
  napi_value result;
  napi_get_boolean(env, ioctl((int)fd, NS_GET_NSTYPE) == CLONE_NEWNET, &result);
  return result;
}

/* tryLock(fd) -> whether we hold the exclusive lock now. It is the open file's, until its last descriptor is closed. */
static napi_value try_lock(napi_env env, napi_callback_info info) {
  int64_t fd;
  if (!read_integer(env, info, &fd)) return NULL;
  int held = flock((int)fd, LOCK_EX | LOCK_NB) == 0;
  if (!held && errno != EWOULDBLOCK && errno != EINTR) return throw_failure(env, (struct failure){"flock", errno});
  napi_value result;
  napi_get_boolean(env, held, &result);
  return result;
}

/* newNetns() -> descriptor of a network namespace that lives as long as something holds it. */
static napi_value new_netns(napi_env env, napi_callback_info info) {
  (void)info;
  struct visit visit = {.fd = -1, .failure = KILLED};
  run_in_child(open_own_netns, CLONE_NEWNET, &visit);
  if (visit.fd < 0) return throw_failure(env, visit.failure);
  napi_value result;
  napi_create_int32(env, visit.fd, &result);
  return result;
}

/* strerror(errno) -> the C library's text, which is what admins search for; libuv words some of them differently. */
static napi_value error_text(napi_env env, napi_callback_info info) {
  int64_t number;
  if (!read_integer(env, info, &number)) return NULL;
  napi_value result;
  napi_create_string_utf8(env, strerror((int)number), NAPI_AUTO_LENGTH, &result);
  return result;
}

NAPI_MODULE_INIT() {
  const struct {
    const char *name;
    napi_callback function;
  } functions[] = {
      {"openRtnetlink", open_rtnetlink},
      {"createTap", create_tap},
      {"persistTap", persist_tap},
      {"isNetns", is_netns},
      {"newNetns", new_netns},
      {"tryLock", try_lock},
      {"strerror", error_text},
  };
  for (size_t i = 0; i < sizeof functions / sizeof functions[0]; i++) {
    napi_value function;
    napi_create_function(env, functions[i].name, NAPI_AUTO_LENGTH, functions[i].function, NULL, &function);
    napi_set_named_property(env, exports, functions[i].name, function);
  }
  return exports;
}
