#include <linux/errno.h>

#include "text.h"

static const struct {
  int number;
  const char *name;
  const char *text;
} ERRORS[] = {
    {EPERM, "EPERM", "Operation not permitted"},
    {ENOENT, "ENOENT", "No such file or directory"},
    {EINTR, "EINTR", "Interrupted system call"},
    {EIO, "EIO", "Input/output error"},
    {ENXIO, "ENXIO", "No such device or address"},
    {E2BIG, "E2BIG", "Argument list too long"},
    {ENOEXEC, "ENOEXEC", "Exec format error"},
    {EBADF, "EBADF", "Bad file descriptor"},
    {EAGAIN, "EAGAIN", "Resource temporarily unavailable"},
    {ENOMEM, "ENOMEM", "Cannot allocate memory"},
    {EACCES, "EACCES", "Permission denied"},
    {EFAULT, "EFAULT", "Bad address"},
    {EBUSY, "EBUSY", "Device or resource busy"},
    {EEXIST, "EEXIST", "File exists"},
    {ENODEV, "ENODEV", "No such device"},
    {ENOTDIR, "ENOTDIR", "Not a directory"},
    {EISDIR, "EISDIR", "Is a directory"},
    {EINVAL, "EINVAL", "Invalid argument"},
    {ENFILE, "ENFILE", "Too many open files in system"},
    {EMFILE, "EMFILE", "Too many open files"},
    {ENOTTY, "ENOTTY", "Inappropriate ioctl for device"},
    {EFBIG, "EFBIG", "File too large"},
    {ENOSPC, "ENOSPC", "No space left on device"},
    {EROFS, "EROFS", "Read-only file system"},
    {EPIPE, "EPIPE", "Broken pipe"},
    {ENAMETOOLONG, "ENAMETOOLONG", "File name too long"},
    {ENOLCK, "ENOLCK", "No locks available"},
    {ENOSYS, "ENOSYS", "Function not implemented"},
    {ELOOP, "ELOOP", "Too many levels of symbolic links"},
    {EPROTOTYPE, "EPROTOTYPE", "Protocol wrong type for socket"},
    {ENOBUFS, "ENOBUFS", "No buffer space available"},
    {ECONNRESET, "ECONNRESET", "Connection reset by peer"},
    {ETIMEDOUT, "ETIMEDOUT", "Connection timed out"},
    {ECONNREFUSED, "ECONNREFUSED", "Connection refused"},
    {EDQUOT, "EDQUOT", "Disk quota exceeded"},
};
enum { COUNT = sizeof ERRORS / sizeof ERRORS[0] };

/* Formats "errno N". The kernel's error numbers are below 4096, so four digits suffice. */
static const char *unknown(long number) {
  static char text[] = "errno 0000";
  char *end = text + sizeof "errno " - 1;
  for (long unit = 1000; unit > 0; unit /= 10)
    if (number >= unit || unit == 1) *end++ = (char)('0' + number / unit % 10);
  *end = '\0';
  return text;
}

const char *errno_text(long number) {
  for (int i = 0; i < COUNT; i++)
    if (ERRORS[i].number == number) return ERRORS[i].text;
  return unknown(number);
}

const char *errno_name(long number) {
  for (int i = 0; i < COUNT; i++)
    if (ERRORS[i].number == number) return ERRORS[i].name;
  return unknown(number);
}
