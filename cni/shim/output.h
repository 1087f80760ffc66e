/* The shim's own output: CNI's error object on stdout, lines of JSON on stderr. */
#pragma once

#include "text.h"

/* CNI SPEC §5, "Error". */
enum { IO_FAILURE = 5, TRY_AGAIN = 11 };

/*
 * Sets the cniVersion of error objects to that of the configuration. If the configuration has none
 * that Tapwire supports, errors use DEFAULT_VERSION.
 */
void set_error_version(struct bytes configuration);

/* Prints a CNI error object and exits with 1. The last arguments are the parts of its message. */
#define fail(code, details, ...) fail_with(code, details, (const char *const[]){__VA_ARGS__, NULL})
_Noreturn void fail_with(int code, const char *details, const char *const *message);

/* Logs a warning, one line on stderr. The arguments are the parts of the message. */
#define warn(...) log_line("warn", (const char *const[]){__VA_ARGS__, NULL})
void log_line(const char *level, const char *const *message);

/* Writes lines to stderr, as far as somebody reads them (LOG_TIMEOUT). */
void write_log(struct bytes lines);

/* Writes all bytes; waits if `fd` is a full non-blocking pipe. Returns 0 or a negative errno. */
long write_all(int fd, struct bytes bytes);

/* Writes the result and exits with `status`. If writing fails, logs an error and exits with 1. */
_Noreturn void finish(struct bytes result, int status);
