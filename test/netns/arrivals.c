/*
 * Sends and counts frames of four kinds: IPv4, ARP, IPv6 and a local experimental EtherType.
 *
 *   arrivals send LINK DESTINATION   sends five frames of each kind from SOURCE on the link
 *   arrivals write TAP DESTINATION   opens the tap and writes the same frames, as a guest does
 *   arrivals count TAP WANTED        opens the tap as QEMU does and prints "ready". After the end
 *                                    of stdin, prints the number of frames of each kind from
 *                                    SOURCE. Waits for WANTED frames, and a moment for more
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/ethtool.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

enum { KINDS = 4, EACH = 5 };
/* STEP: milliseconds between two polls. WAIT: maximum number of polls after the end of stdin. */
enum { STEP = 50, WAIT = 100 };
static const unsigned short TYPES[KINDS] = {0x0800, 0x0806, 0x86dd, 0x88b5};
static const unsigned char SOURCE[6] = {0x02, 0, 0, 0, 0, 0x99};

static int fail(const char *what) {
  perror(what);
  return 1;
}

/*
 * Headers that a snooping bridge accepts as valid: UDP from 192.0.2.9 to 239.1.2.3, and a packet
 * without payload from :: to ff02::1:ff00:77.
 */
static const unsigned char IPV4[20] = {0x45, 0, 0, 46, 0, 0, 0, 0, 1, 17, 0x06, 0xb2, 192, 0, 2, 9, 239, 1, 2, 3};
static const unsigned char IPV6[40] = {0x60, 0, 0, 0, 0, 6, 59, 1, [24] = 0xff, 0x02, [35] = 1, 0xff, 0, 0, 0x77};

static int hold(const char *tap) {
  struct ifreq request = {.ifr_flags = IFF_TAP | IFF_NO_PI};
  strncpy(request.ifr_name, tap, IFNAMSIZ - 1);
  int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK);
  /* The process that had the tap open may close it a moment after it has reported its success. */
  for (int tries = 0; ioctl(fd, TUNSETIFF, &request) < 0; tries++) {
    if (errno != EBUSY || tries == 1000) {
      perror("TUNSETIFF");
      exit(1);
    }
    usleep(10 * 1000);
  }
  return fd;
}

/*
 * Waits until a link can send. The kernel enables that a moment after the link gets its carrier. It
 * holds the lock that ethtool waits for until then.
 */
static void wait_for_carrier(const char *link) {
  struct ethtool_value value = {.cmd = ETHTOOL_GLINK};
  struct ifreq request = {0};
  strncpy(request.ifr_name, link, IFNAMSIZ - 1);
  int any = socket(AF_INET, SOCK_DGRAM, 0);
  for (int tries = 0; tries < 1000; tries++) {
    if (ioctl(any, SIOCGIFFLAGS, &request) == 0 && (request.ifr_flags & IFF_RUNNING)) break;
    usleep(10 * 1000);
  }
  request.ifr_data = (char *)&value;
  ioctl(any, SIOCETHTOOL, &request);
  close(any);
}

static int bind_to(const char *link) {
  wait_for_carrier(link);
  int fd = socket(AF_PACKET, SOCK_RAW, 0);
  struct sockaddr_ll address = {.sll_family = AF_PACKET, .sll_ifindex = (int)if_nametoindex(link)};
  if (bind(fd, (struct sockaddr *)&address, sizeof address) == 0) return fd;
  perror("bind");
  exit(1);
}

static int send_frames(int fd, const char *destination) {
  unsigned char frame[60] = {0};
  sscanf(destination, "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", &frame[0], &frame[1], &frame[2], &frame[3], &frame[4], &frame[5]);
  memcpy(frame + 6, SOURCE, 6);
  for (int i = 0; i < EACH * KINDS; i++) {
    frame[12] = TYPES[i % KINDS] >> 8;
    frame[13] = TYPES[i % KINDS] & 0xff;
    memset(frame + 14, 0, sizeof frame - 14);
    if (TYPES[i % KINDS] == 0x0800) memcpy(frame + 14, IPV4, sizeof IPV4);
    if (TYPES[i % KINDS] == 0x86dd) memcpy(frame + 14, IPV6, sizeof IPV6);
    if (write(fd, frame, sizeof frame) < 0) return fail("write");
  }
  return 0;
}

static int count_frames(const char *tap, int wanted) {
  int fd = hold(tap);
  wait_for_carrier(tap);
  puts("ready");
  fflush(stdout);
  int counts[KINDS] = {0}, total = 0, left = WAIT;
  struct pollfd polled[2] = {{.fd = fd, .events = POLLIN}, {.fd = 0, .events = POLLIN}};
  /* All frames were sent before stdin ended, but on a busy machine they arrive later. */
  for (bool ended = false; !ended || left > 0; ended = ended || polled[1].revents != 0) {
    if (poll(polled, ended ? 1 : 2, ended ? STEP : -1) < 0) return fail("poll");
    unsigned char frame[65536];
    ssize_t length;
    while ((length = read(fd, frame, sizeof frame)) > 0)
      for (int i = 0; i < KINDS; i++)
        if (length > 14 && memcmp(frame + 6, SOURCE, 6) == 0 && (frame[12] << 8 | frame[13]) == TYPES[i]) {
          counts[i]++;
          total++;
        }
    if (total >= EACH * KINDS) break;
    if (ended) left -= total >= wanted ? WAIT / 2 : 1;
  }
  printf("%d %d %d %d\n", counts[0], counts[1], counts[2], counts[3]);
  return 0;
}

int main(int count, char **words) {
  if (count == 4 && strcmp(words[1], "send") == 0) return send_frames(bind_to(words[2]), words[3]);
  if (count == 4 && strcmp(words[1], "write") == 0) return send_frames(hold(words[2]), words[3]);
  if (count == 4 && strcmp(words[1], "count") == 0) return count_frames(words[2], atoi(words[3]));
  return 2;
}
