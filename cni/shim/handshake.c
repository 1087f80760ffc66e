#include "handshake.h"

#include <linux/un.h>

#include "clock.h"
#include "kernel.h"
#include "settings.h"
#include "text.h"

static const char HELLO[] = "tapwire1";
enum { HELLO_LENGTH = sizeof HELLO - 1 };

/* How often to check, while waiting for the hello, whether the agent's socket still exists. */
static const long POLL_INTERVAL = 20; // ms

long connect_at(const char *path) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  if (length_of(path) >= sizeof address.sun_path) return -ENAMETOOLONG;
  append(address.sun_path, sizeof address.sun_path, path);
  /* NONBLOCK: a blocking connect(2) waits for ever if the queue of a stuck agent is full. */
  long socket = sys_socket(AF_UNIX, SOCK_STREAM | O_NONBLOCK | O_CLOEXEC);
  if (socket < 0) return socket;
  long status = sys_connect((int)socket, &address, sizeof address);
  if (status >= 0) return socket;
  sys_close((int)socket);
  return status;
}

long connect_agent(void) { return connect_at(agent_socket()); }

static bool exists(const char *path) {
  struct stat status;
  return sys_stat_at(AT_FDCWD, path, &status, 0) >= 0;
}

/*
 * Waits for the hello. Returns 0, -ENOENT if the agent's socket disappears meanwhile, or -EAGAIN
 * for every other failure, the deadline included.
 */
static long read_hello(int socket, const char *path, long deadline) {
  char heard[HELLO_LENGTH];
  for (size_t length = 0; length < sizeof heard;) {
    long got = sys_read(socket, heard + length, sizeof heard - length);
    if (got > 0) {
      length += (size_t)got;
      continue;
    }
    bool may_come = got == -EAGAIN || got == -EINTR;
    if (!may_come || now() >= deadline) return -EAGAIN;
    if (!wait_until_ready(socket, POLLIN, now() + POLL_INTERVAL) && !exists(path)) return -ENOENT;
  }
  return memcmp(heard, HELLO, sizeof heard) == 0 ? 0 : -EAGAIN;
}

long await_hello(long socket, long deadline) {
  if (socket == -ECONNREFUSED || socket == -EINTR) return -EAGAIN;
  if (socket < 0) return socket;
  long status = read_hello((int)socket, agent_socket(), deadline);
  if (status == 0) return socket;
  sys_close((int)socket);
  return status;
}
