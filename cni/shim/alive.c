#include "alive.h"

#include <linux/limits.h>

#include "clock.h"
#include "handshake.h"
#include "kernel.h"
#include "output.h"
#include "settings.h"

static const char ALIVE[] = "ok\n";

/* Longer replies are truncated: it is a sentence. */
enum { MAX_REPLY = 1024 };

static int not_alive(const char *const *message) {
  log_line("error", message);
  return 1;
}
#define NOT_ALIVE(...) not_alive((const char *const[]){__VA_ARGS__, NULL})

/* Reads until the end. Returns the length, or a negative errno. */
static long read_reply(int socket, char reply[MAX_REPLY], long deadline) {
  long length = 0;
  while (length < MAX_REPLY) {
    long got = sys_read(socket, reply + length, (size_t)(MAX_REPLY - length));
    if (got == 0) break;
    if (got > 0) length += got;
    else if (got != -EAGAIN && got != -EINTR) return got;
    else if (!wait_until_ready(socket, POLLIN, deadline)) return -ETIMEDOUT;
    if (now() >= deadline) return -ETIMEDOUT;
  }
  return length;
}

int check_alive(void) {
  static char path[PATH_MAX], reply[MAX_REPLY + 1];
  append(path, sizeof path, agent_socket());
  append(path, sizeof path, ".live");
  long deadline = now() + milliseconds(ALIVE_TIMEOUT);
  long socket = connect_at(path);
  if (socket < 0) return NOT_ALIVE("Cannot reach the agent at \"", path, "\": ", errno_text(-socket));
  long length = read_reply((int)socket, reply, deadline);
  if (length == -ETIMEDOUT) return NOT_ALIVE("The agent did not reply within " AS_TEXT(ALIVE_TIMEOUT) " s");
  if (length < 0) return NOT_ALIVE("Cannot read the agent's reply: ", errno_text(-length));
  if (equal(reply, ALIVE)) return 0;
  if (length == 0) return NOT_ALIVE("The agent closed the connection without a reply");
  for (char *end = reply; *end != '\0'; end++)
    if (*end == '\n') *end = '\0';
  return NOT_ALIVE(reply);
}
