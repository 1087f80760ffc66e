#include "output.h"

#include <linux/limits.h>

#include "clock.h"
#include "kernel.h"
#include "settings.h"
#include "version.h"

static const char *version = DEFAULT_VERSION;

/* The line to print. Fits a path in which every character is escaped; longer text is truncated. */
static char line[32 * 1024];
enum { ROOM_TO_CLOSE = 64 };

void set_error_version(struct bytes configuration) { version = version_of(configuration); }

/* Appends text escaped as the content of a JSON string. Returns the new end. */
static char *escape(char *end, const char *text) {
  for (; *text != '\0' && end < line + sizeof line - ROOM_TO_CLOSE; text++) {
    unsigned char c = (unsigned char)*text;
    if (c == '"' || c == '\\') *end++ = '\\';
    if (c >= ' ') {
      *end++ = (char)c;
      continue;
    }
    for (const char *prefix = "\\u00"; *prefix != '\0'; prefix++) *end++ = *prefix;
    *end++ = "0123456789abcdef"[c >> 4];
    *end++ = "0123456789abcdef"[c & 15];
  }
  return end;
}

/* Appends text unchanged. Returns the new end. */
static char *copy(char *end, const char *text) {
  while (*text != '\0') *end++ = *text++;
  return end;
}

static char *escape_all(char *end, const char *const *parts) {
  for (; *parts != NULL; parts++) end = escape(end, *parts);
  return end;
}

void log_line(const char *level, const char *const *message) {
  char *end = copy(copy(copy(line, "{\"level\":\""), level), "\",\"message\":\"");
  end = copy(escape_all(end, message), "\"}\n");
  write_log((struct bytes){line, (size_t)(end - line)});
}

void write_log(struct bytes lines) {
  static bool is_read = true;
  while (lines.length > 0) {
    is_read = wait_until_ready(2, POLLOUT, now() + (is_read ? milliseconds(LOG_TIMEOUT) : 1));
    if (!is_read) return;
    /* A pipe that poll(2) reports as writable has room for PIPE_BUF bytes, pipe(7). */
    long written = sys_write(2, lines.start, lines.length < PIPE_BUF ? lines.length : PIPE_BUF);
    if (written == -EAGAIN || written == -EINTR) continue;
    if (written <= 0) return;
    lines.start += written;
    lines.length -= (size_t)written;
  }
}

_Noreturn void fail_with(int code, const char *details, const char *const *message) {
  char *end = copy(copy(copy(line, "{\"cniVersion\":\""), version), "\",\"code\":");
  if (code >= 10) *end++ = (char)('0' + code / 10);
  *end++ = (char)('0' + code % 10);
  end = escape_all(copy(end, ",\"msg\":\""), message);
  if (details != NULL) end = escape(copy(end, "\",\"details\":\""), details);
  end = copy(end, "\"}\n");
  finish((struct bytes){line, (size_t)(end - line)}, 1);
}

long write_all(int fd, struct bytes bytes) {
  while (bytes.length > 0) {
    long written = sys_write(fd, bytes.start, bytes.length);
    if (written == -EAGAIN) wait_until_ready(fd, POLLOUT, now() + 1000);
    else if (written < 0 && written != -EINTR) return written;
    if (written <= 0) continue;
    bytes.start += written;
    bytes.length -= (size_t)written;
  }
  return 0;
}

_Noreturn void finish(struct bytes result, int status) {
  long written = write_all(1, result);
  if (written == 0) sys_exit(status);
  const char *const message[] = {"Cannot write the result: ", errno_name(-written), ": ", errno_text(-written), NULL};
  log_line("error", message);
  sys_exit(1);
}
