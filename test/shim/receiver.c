/*
 * An agent that receives descriptors, which Node cannot do. Listens on a unix socket, says hello to
 * one client and prints as JSON what the client sends: for each descriptor its device, inode and
 * namespace type, and the bytes of the request in hex.
 *
 * Usage: receiver reply|hold SOCKET. "hold" keeps the descriptors open and never replies.
 */
#include <linux/nsfs.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static unsigned char request[4 * 1024 * 1024];
static size_t length;

static int is_whole(void) {
  uint32_t lengths[2];
  if (length < 16) return 0;
  memcpy(lengths, request, sizeof lengths);
  return length >= 16 + (size_t)lengths[0] + lengths[1];
}

/* Prints the descriptors of a message; leaves them open. */
static void print_descriptors(struct msghdr *message) {
  for (struct cmsghdr *header = CMSG_FIRSTHDR(message); header != NULL; header = CMSG_NXTHDR(message, header)) {
    int count = (int)((header->cmsg_len - CMSG_LEN(0)) / sizeof(int));
    for (int i = 0; i < count; i++) {
      int fd;
      struct stat status;
      memcpy(&fd, CMSG_DATA(header) + (size_t)i * sizeof fd, sizeof fd);
      fstat(fd, &status);
      printf("%s[%zu,%lu,%lu,%d]", i == 0 ? "" : ",", length, (unsigned long)status.st_dev, (unsigned long)status.st_ino,
             ioctl(fd, NS_GET_NSTYPE));
    }
  }
}

int main(int argc, char **argv) {
  if (argc != 3) return 2;
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  strncpy(address.sun_path, argv[2], sizeof address.sun_path - 1);
  int server = socket(AF_UNIX, SOCK_STREAM, 0);
  if (bind(server, (struct sockaddr *)&address, sizeof address) < 0 || listen(server, 8) < 0) return 1;
  printf("listening\n");
  fflush(stdout);

  int client = accept(server, NULL, NULL);
  if (write(client, "tapwire1", 8) != 8) return 1;
  printf("{\"descriptors\":[");
  while (!is_whole()) {
    char control[CMSG_SPACE(16 * sizeof(int))];
    struct iovec part = {request + length, sizeof request - length};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    ssize_t got = recvmsg(client, &message, MSG_CMSG_CLOEXEC);
    if (got <= 0) return 1;
    print_descriptors(&message);
    length += (size_t)got;
  }
  printf("],\"request\":\"");
  for (size_t i = 0; i < length; i++) printf("%02x", request[i]);
  printf("\"}\n");
  fflush(stdout);

  if (strcmp(argv[1], "hold") == 0)
    for (;;) pause();
  static const uint32_t reply[3] = {0, 3, 0};
  return write(client, reply, sizeof reply) == sizeof reply && write(client, "{}\n", 3) == 3 ? 0 : 1;
}
