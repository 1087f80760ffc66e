/*
 * Pins an eBPF program that redirects every frame at a link's ingress into the pod with
 * bpf_redirect_peer(), as the programs of Calico and Cilium do.
 *
 * Usage: redirect-peer IFINDEX PATH. IFINDEX is that of the node's end of the pod link; PATH is in
 * a bpf file system.
 */
#include <linux/bpf.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

static int bpf(enum bpf_cmd command, union bpf_attr *request) {
  return (int)syscall(SYS_bpf, command, request, sizeof *request);
}

int main(int argc, char **argv) {
  if (argc != 3) return 2;
  const struct bpf_insn program[] = {
      {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_1, .imm = atoi(argv[1])},
      {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_2, .imm = 0},
      {.code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_redirect_peer},
      {.code = BPF_JMP | BPF_EXIT},
  };
  union bpf_attr load = {
      .prog_type = BPF_PROG_TYPE_SCHED_CLS,
      .insns = (uintptr_t)program,
      .insn_cnt = sizeof program / sizeof program[0],
      .license = (uintptr_t) "GPL",
  };
  int fd = bpf(BPF_PROG_LOAD, &load);
  if (fd < 0) {
    perror("BPF_PROG_LOAD");
    return 1;
  }
  union bpf_attr pin = {.pathname = (uintptr_t)argv[2], .bpf_fd = (uint32_t)fd};
  if (bpf(BPF_OBJ_PIN, &pin) < 0) {
    perror("BPF_OBJ_PIN");
    return 1;
  }
  return 0;
}
