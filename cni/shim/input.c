#include "input.h"

#include "clock.h"
#include "kernel.h"
#include "output.h"
#include "settings.h"

/*
 * One byte more than cni/request/input.ts accepts (MAX_INPUT), so that it rejects an input that is
 * too long.
 */
static char buffer[1024 * 1024 + 1];

void read_input(struct call *call) {
  long deadline = now() + milliseconds(INPUT_TIMEOUT);
  size_t length = 0;
  while (length < sizeof buffer) {
    if (!wait_until_ready(0, POLLIN, deadline)) {
      set_error_version((struct bytes){buffer, length});
      fail(IO_FAILURE, NULL, "error reading from stdin: no end within " AS_TEXT(INPUT_TIMEOUT) " s");
    }
    long got = sys_read(0, buffer + length, sizeof buffer - length);
    if (got == 0) break;
    if (got > 0) length += (size_t)got;
    else if (got != -EAGAIN && got != -EINTR) {
      call->input_errno = (int)-got;
      return;
    }
  }
  call->input = (struct bytes){buffer, length};
  set_error_version(call->input);
}
