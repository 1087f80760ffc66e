#include "handshake.h"

#include <linux/un.h>

#include "clock.h"
#include "kernel.h"
#include "settings.h"
#include "text.h"

static const char HELLO[] = "tapwire1";
enum { HELLO_LENGTH = sizeof HELLO - 1 };

/* How soon it is noticed that an agent that has not said hello is gone, and its socket with it. */
static const long POLL_INTERVAL = 20; // ms

long connect_agent(void) {
  const char *path = agent_socket();
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  if (length_of(path) >= sizeof address.sun_path) return -ENAMETOOLONG;
  append(address.sun_path, sizeof address.sun_path, path);
  /* NONBLOCK: connect(2) would wait without end for room in the queue of an agent that accepts nobody. */
  long socket = sys_socket(AF_UNIX, SOCK_STREAM | O_NONBLOCK | O_CLOEXEC);
  if (socket < 0) return socket;
  long status = sys_connect((int)socket, &address, sizeof address);
  if (status >= 0) return socket;
  sys_close((int)socket);
  return status;
}

static bool exists(const char *path) {
  struct stat status;
  return sys_stat_at(AT_FDCWD, path, &status, 0) >= 0;
}

/* 0 when the agent has said it; -ENOENT when its socket vanished meanwhile; -EAGAIN for everything else. */
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
