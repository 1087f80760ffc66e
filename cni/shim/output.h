/* What the shim says itself: CNI's error object on stdout, lines of JSON on stderr. */
#pragma once

#include "text.h"

/* CNI SPEC §5, "Error". */
enum { IO_FAILURE = 5, TRY_AGAIN = 11 };

/* Errors are answered in the cniVersion of this configuration, where it is one that we support. */
void set_error_version(struct bytes configuration);

/* Prints a CNI error object and ends. The rest is the message, in parts. */
#define fail(code, details, ...) fail_with(code, details, (const char *const[]){__VA_ARGS__, NULL})
_Noreturn void fail_with(int code, const char *details, const char *const *message);

/* One line on stderr. The rest is the message, in parts. */
#define warn(...) log_line("warn", (const char *const[]){__VA_ARGS__, NULL})
void log_line(const char *level, const char *const *message);

/* Writes all of it, also to a pipe that is full and does not block. Returns 0 or a negative errno. */
long write_all(int fd, struct bytes bytes);

/* Writes the result, and ends with the status; where it cannot be written, with 1 and a line that says so. */
_Noreturn void finish(struct bytes result, int status);
