/*
 * Writes a frame to a tap many times, as QEMU does for a guest without offloads, and prints the
 * nanoseconds of one write. The kernel carries the frame to its destination meanwhile.
 *
 * `frames TAP COUNT` reads the frame from stdin, as bytes.
 */
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

enum { MAX_FRAME = 2048, VNET_HEADER = 10 };

static void fail(const char *what) {
  perror(what);
  exit(1);
}

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

int main(int argc, char **argv) {
  if (argc != 3) return 2;
  struct ifreq request = {.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR};
  strncpy(request.ifr_name, argv[1], IFNAMSIZ - 1);
  int tap = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
  if (tap < 0) fail("/dev/net/tun");
  if (ioctl(tap, TUNSETIFF, &request) < 0) fail("TUNSETIFF");
  char frame[VNET_HEADER + MAX_FRAME] = {0};
  ssize_t length = read(STDIN_FILENO, frame + VNET_HEADER, MAX_FRAME);
  if (length <= 0) fail("stdin");
  long count = atol(argv[2]);
  double start = now();
  for (long i = 0; i < count; i++)
    if (write(tap, frame, (size_t)(VNET_HEADER + length)) < 0) fail("write");
  printf("%.1f\n", (now() - start) / (double)count);
  return 0;
}
