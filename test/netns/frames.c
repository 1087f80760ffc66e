/*
 * Sends and receives frames at one end of a wire. `frames tap NAME` opens a tap as QEMU does,
 * `frames node PATH` the device node of a macvtap, `frames link NAME` a packet socket on a link.
 * Sends each line of stdin, hex digits, as a frame, and prints each received frame as a line of
 * stdout. Frames include their VLAN tags, as on a wire. Exits at the end of stdin.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MAX_FRAME = 65536, VNET_HEADER = 10, MACS = 12, TAG = 4 };
/* 60 seconds in total: only a descriptor that is never closed takes that long. */
enum { MAX_TRIES = 6000, TRY_INTERVAL = 10 * 1000 /* microseconds */ };

static bool is_tap;
static int end;

static void fail(const char *what) {
  perror(what);
  exit(1);
}

static void open_tap(const char *name) {
  struct ifreq request = {.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR};
  strncpy(request.ifr_name, name, IFNAMSIZ - 1);
  end = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
  if (end < 0) fail("/dev/net/tun");
  /* The agent may still have the tap open for a moment after ADD has returned. */
  for (int tries = 0; ioctl(end, TUNSETIFF, &request) < 0; tries++) {
    if (errno != EBUSY || tries == MAX_TRIES) fail("TUNSETIFF");
    usleep(TRY_INTERVAL);
  }
}

/* A macvtap begins with the same header as a tap with IFF_VNET_HDR. */
static void open_node(const char *path) {
  end = open(path, O_RDWR | O_CLOEXEC);
  if (end < 0) fail(path);
}

static void open_link(const char *name) {
  struct sockaddr_ll address = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL)};
  int yes = 1, room = 1 << 24;
  address.sll_ifindex = (int)if_nametoindex(name);
  if (address.sll_ifindex == 0) fail(name);
  end = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
  if (end < 0) fail("socket");
  setsockopt(end, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room);
  if (setsockopt(end, SOL_PACKET, PACKET_AUXDATA, &yes, sizeof yes) < 0) fail("PACKET_AUXDATA");
  if (setsockopt(end, SOL_PACKET, PACKET_IGNORE_OUTGOING, &yes, sizeof yes) < 0) fail("PACKET_IGNORE_OUTGOING");
  if (bind(end, (struct sockaddr *)&address, sizeof address) < 0) fail("bind");
}

/* Inserts the outer VLAN tag, which the kernel strips from a frame and passes as auxiliary data. */
static size_t put_tag_back(struct msghdr *message, unsigned char *frame, size_t length) {
  for (struct cmsghdr *part = CMSG_FIRSTHDR(message); part != NULL; part = CMSG_NXTHDR(message, part)) {
    if (part->cmsg_level != SOL_PACKET || part->cmsg_type != PACKET_AUXDATA) continue;
    struct tpacket_auxdata aux;
    memcpy(&aux, CMSG_DATA(part), sizeof aux);
    if (!(aux.tp_status & TP_STATUS_VLAN_VALID)) return length;
    unsigned short tag[2] = {htons(aux.tp_status & TP_STATUS_VLAN_TPID_VALID ? aux.tp_vlan_tpid : ETH_P_8021Q),
                             htons(aux.tp_vlan_tci)};
    memmove(frame + MACS + TAG, frame + MACS, length - MACS);
    memcpy(frame + MACS, tag, TAG);
    return length + TAG;
  }
  return length;
}

static void receive(void) {
  static unsigned char bytes[MAX_FRAME + TAG];
  char control[CMSG_SPACE(sizeof(struct tpacket_auxdata))];
  unsigned char *frame = bytes;
  ssize_t length;
  if (is_tap) {
    length = read(end, bytes, MAX_FRAME) - VNET_HEADER;
    frame = bytes + VNET_HEADER;
  } else {
    struct iovec part = {bytes, MAX_FRAME};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    length = recvmsg(end, &message, 0);
    if (length >= MACS) length = (ssize_t)put_tag_back(&message, bytes, (size_t)length);
  }
  if (length < 0) return; /* ENETDOWN: reported once when a link goes down */
  for (ssize_t i = 0; i < length; i++) printf("%02x", frame[i]);
  putchar('\n');
  fflush(stdout);
}

static void transmit(const char *hex) {
  static unsigned char bytes[VNET_HEADER + MAX_FRAME];
  size_t length = 0;
  unsigned byte;
  for (; length < MAX_FRAME && sscanf(hex + 2 * length, "%2x", &byte) == 1; length++)
    bytes[VNET_HEADER + length] = (unsigned char)byte;
  if (is_tap) {
    if (write(end, bytes, VNET_HEADER + length) < 0) fail("write to the tap");
  } else if (send(end, bytes + VNET_HEADER, length, 0) < 0) {
    fail("send");
  }
}

int main(int argc, char **argv) {
  static char line[2 * MAX_FRAME + 2];
  if (argc != 3) return 2;
  is_tap = strcmp(argv[1], "link") != 0;
  if (!is_tap) open_link(argv[2]);
  else if (strcmp(argv[1], "node") == 0) open_node(argv[2]);
  else open_tap(argv[2]);
  puts("ready");
  fflush(stdout);
  setvbuf(stdin, NULL, _IONBF, 0); /* so that poll() sees every line */
  for (;;) {
    struct pollfd ready[] = {{.fd = 0, .events = POLLIN}, {.fd = end, .events = POLLIN}};
    if (poll(ready, 2, -1) < 0) fail("poll");
    if (ready[1].revents != 0) receive();
    if (ready[0].revents == 0) continue;
    if (fgets(line, sizeof line, stdin) == NULL) return 0;
    transmit(line);
  }
}
