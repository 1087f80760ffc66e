/*
 * Forges acknowledgements, as a process in a pod can. Sends them to the netlink socket with the
 * given port in the netns, until it is killed.
 *
 * Usage: forger NETNS PORT
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/netlink.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { NUMBERS = 1000, PAUSE = 100 /* µs */ };

int main(int argc, char **argv) {
  if (argc != 3 || setns(open(argv[1], O_RDONLY), CLONE_NEWNET) < 0) return 1;
  int netlink = socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);
  const struct sockaddr_nl target = {.nl_family = AF_NETLINK, .nl_pid = (unsigned)atoi(argv[2])};
  struct {
    struct nlmsghdr header;
    struct nlmsgerr error;
  } answer = {.header = {.nlmsg_len = sizeof answer, .nlmsg_type = NLMSG_ERROR}};
  for (unsigned number = 1;; number = number % NUMBERS + 1) {
    answer.header.nlmsg_seq = number;
    sendto(netlink, &answer, sizeof answer, MSG_DONTWAIT, (const struct sockaddr *)&target, sizeof target);
    if (number % 50 == 0) usleep(PAUSE);
  }
}
