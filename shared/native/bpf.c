/* Asks bpf(2) which programs run at the ingress of links, and reads their instructions. */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/bpf.h>
#include <linux/if_arp.h>
#include <linux/rtnetlink.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "bpf.h"
#include "netns.h"

enum {
  TCX_INGRESS = 46, /* BPF_TCX_INGRESS, which the headers of the build may lack */
  MAX_PROGRAMS = 64, /* the kernel's limit for one link */
  MAX_ASKED = 64, /* links: each query waits for the lock of all network changes on the node */
  MAX_INSTRUCTION_BYTES = 32 * 1024,
};

static int bpf(int command, union bpf_attr *attr) { return (int)syscall(SYS_bpf, command, attr, sizeof *attr); }

static struct failure query_link(int ifindex, struct bytes *programs) {
  uint32_t ids[MAX_PROGRAMS];
  union bpf_attr attr = {.query = {.target_fd = (uint32_t)ifindex, .attach_type = TCX_INGRESS,
                                   .prog_ids = (uintptr_t)ids, .prog_cnt = MAX_PROGRAMS}};
  if (bpf(BPF_PROG_QUERY, &attr) < 0) {
    if (errno == ENOENT || errno == ENODEV) return NO_FAILURE; /* no program, or no link */
    return (struct failure){"query TCX programs", errno};
  }
  struct failure failure = NO_FAILURE;
  for (uint32_t i = 0; failure.request == NULL && i < attr.query.prog_cnt && i < MAX_PROGRAMS; i++)
    failure = append(programs, (uint32_t[]){(uint32_t)ifindex, ids[i]}, 2 * sizeof(uint32_t));
  return failure;
}

struct query {
  const struct bytes *links;
  struct bytes *programs;
};

static struct failure query_here(void *argument) {
  const struct query *query = argument;
  int left = (int)query->links->length, asked = 0;
  const struct nlmsghdr *message = (const struct nlmsghdr *)query->links->data;
  for (; NLMSG_OK(message, left) && asked < MAX_ASKED; message = NLMSG_NEXT(message, left)) {
    const struct ifinfomsg *link = NLMSG_DATA(message);
    if (message->nlmsg_type != RTM_NEWLINK || link->ifi_type != ARPHRD_ETHER) continue;
    struct failure failure = query_link(link->ifi_index, query->programs);
    if (failure.request != NULL) return failure;
    asked++;
  }
  return NO_FAILURE;
}

static bool has_links(const struct bytes *answers) {
  return answers->length >= NLMSG_HDRLEN && ((const struct nlmsghdr *)answers->data)->nlmsg_type == RTM_NEWLINK;
}

struct failure query_tcx(int netns, const struct bytes *links, struct bytes *programs) {
  return !has_links(links) ? NO_FAILURE : visit(netns, query_here, &(struct query){links, programs});
}

static int get_info(int program, struct bpf_prog_info *info) {
  union bpf_attr attr = {.info = {.bpf_fd = (uint32_t)program, .info_len = sizeof *info, .info = (uintptr_t)info}};
  return bpf(BPF_OBJ_GET_INFO_BY_FD, &attr);
}

static struct failure read_info(int fd, struct bytes *answer) {
  struct bpf_prog_info info = {0};
  if (get_info(fd, &info) < 0) return (struct failure){"read a program", errno};
  struct program program = {.id = info.id, .type = info.type, .whole = info.xlated_prog_len};
  memcpy(program.name, info.name, sizeof program.name);
  uint8_t *instructions = NULL;
  if (program.whole > 0 && program.whole <= MAX_INSTRUCTION_BYTES) {
    instructions = calloc(1, program.whole);
    if (instructions == NULL) return (struct failure){"read a program", ENOMEM};
    info = (struct bpf_prog_info){.xlated_prog_len = program.whole, .xlated_prog_insns = (uintptr_t)instructions};
    /* The kernel clears the address if it hides the instructions. */
    if (get_info(fd, &info) == 0 && info.xlated_prog_insns != 0) program.length = program.whole;
  }
  struct failure failure = append(answer, &program, sizeof program);
  if (failure.request == NULL && program.length > 0) failure = append(answer, instructions, program.length);
  free(instructions);
  return failure;
}

struct failure read_program(uint32_t id, struct bytes *program) {
  union bpf_attr attr = {.prog_id = id};
  int fd = bpf(BPF_PROG_GET_FD_BY_ID, &attr);
  if (fd < 0) return (struct failure){"open a program", errno};
  struct failure failure = read_info(fd, program);
  close(fd);
  return failure;
}
