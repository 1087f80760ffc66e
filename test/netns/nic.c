/*
 * The cable between a guest's NIC and the tap of its pod. Holds the tap as QEMU does, and passes
 * frames on in both directions. `nic GUEST_NETNS NIC TAP` starts in the pod's netns; the NIC is a
 * tap in the guest's netns, which stands in for the guest's kernel. TAP is the name of a tap, or
 * the path of a macvtap's device node. Exits at the end of stdin.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* 60 seconds in total: only a descriptor that is never closed takes that long. */
enum { MAX_FRAME = 65536, MAX_TRIES = 6000, TRY_INTERVAL = 10 * 1000 /* microseconds */ };

static void fail(const char *what) {
  perror(what);
  exit(1);
}

static int open_file(const char *path, int flags) {
  int file = open(path, flags | O_CLOEXEC);
  if (file < 0) fail(path);
  return file;
}

static void enter(int netns) {
  if (setns(netns, CLONE_NEWNET) < 0) fail("setns");
}

static int open_tap(const char *name) {
  struct ifreq request = {.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR};
  int tap = open_file("/dev/net/tun", O_RDWR);
  strncpy(request.ifr_name, name, IFNAMSIZ - 1);
  /* The agent may still have the tap open for a moment after ADD has returned. */
  for (int tries = 0; ioctl(tap, TUNSETIFF, &request) < 0; tries++) {
    if (errno != EBUSY || tries == MAX_TRIES) fail("TUNSETIFF");
    usleep(TRY_INTERVAL);
  }
  return tap;
}

/* Passes one frame on, with its header. Loses it if either end is down, as a NIC does. */
static void pass(int from, int to) {
  static char frame[MAX_FRAME];
  ssize_t length = read(from, frame, sizeof frame);
  if (length < 0) {
    if (errno != EIO && errno != EBADFD && errno != EAGAIN) fail("read");
  } else if (write(to, frame, (size_t)length) < 0 && errno != EIO) {
    fail("write");
  }
}

int main(int argc, char **argv) {
  if (argc != 4) return 2;
  int pod = open_file("/proc/self/ns/net", O_RDONLY);
  enter(open_file(argv[1], O_RDONLY));
  int nic = open_tap(argv[2]);
  enter(pod);
  int tap = argv[3][0] == '/' ? open_file(argv[3], O_RDWR) : open_tap(argv[3]);
  puts("ready");
  fflush(stdout);
  struct pollfd ends[] = {{.fd = 0}, {.fd = nic, .events = POLLIN}, {.fd = tap, .events = POLLIN}};
  while (ends[0].revents == 0) {
    if (poll(ends, 3, -1) < 0) fail("poll");
    if (ends[1].revents & POLLIN) pass(nic, tap);
    if (ends[2].revents & POLLIN) pass(tap, nic);
  }
  return 0;
}
