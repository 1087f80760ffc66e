/* System calls without libc, for x86-64 and arm64. */
#ifndef TAPWIRE_BENCH_SYSCALLS_H
#define TAPWIRE_BENCH_SYSCALLS_H

#include <linux/sched.h>
#include <signal.h>
#include <sys/syscall.h>

/* struct rusage as the kernel writes it; the other fields are not used. */
struct usage {
  struct {
    long tv_sec, tv_usec;
  } user, system;
  long maxrss, others[13];
};

void run(void);

#if defined(__x86_64__)
__asm__(".globl _start\n_start: xor %ebp, %ebp\n and $-16, %rsp\n call run\n hlt\n");

static inline long call4(long number, long a, long b, long c, long d) {
  register long fourth __asm__("r10") = d;
  long answer;
  __asm__ volatile("syscall" : "=a"(answer) : "a"(number), "D"(a), "S"(b), "d"(c), "r"(fourth) : "rcx", "r11", "memory");
  return answer;
}

/*
 * Calls `act` in a child with its own stack that shares the parent's memory. Returns its pid when
 * the child has called execve or exited.
 */
static inline long clone_vfork(char *stack, void (*act)(void *), void *argument) {
  register long fourth __asm__("r10") = 0;
  register long fifth __asm__("r8") = 0;
  register void (*function)(void *) __asm__("r12") = act;
  register void *given __asm__("r13") = argument;
  long answer;
  __asm__ volatile("syscall\n test %%rax, %%rax\n jnz 1f\n xor %%ebp, %%ebp\n mov %%r13, %%rdi\n call *%%r12\n hlt\n1:"
                   : "=a"(answer)
                   : "a"(SYS_clone), "D"(CLONE_VM | CLONE_VFORK | SIGCHLD), "S"(stack), "d"(0), "r"(fourth), "r"(fifth),
                     "r"(function), "r"(given)
                   : "rcx", "r11", "memory");
  return answer;
}
#elif defined(__aarch64__)
__asm__(".globl _start\n_start: mov x29, xzr\n mov x30, xzr\n bl run\n brk #0\n");

static inline long call4(long number, long a, long b, long c, long d) {
  register long x8 __asm__("x8") = number, x0 __asm__("x0") = a, x1 __asm__("x1") = b;
  register long x2 __asm__("x2") = c, x3 __asm__("x3") = d;
  __asm__ volatile("svc #0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3) : "memory");
  return x0;
}

static inline long clone_vfork(char *stack, void (*act)(void *), void *argument) {
  register long x8 __asm__("x8") = SYS_clone, x0 __asm__("x0") = CLONE_VM | CLONE_VFORK | SIGCHLD;
  register long x1 __asm__("x1") = (long)stack, x2 __asm__("x2") = 0, x3 __asm__("x3") = 0, x4 __asm__("x4") = 0;
  register long x19 __asm__("x19") = (long)act, x20 __asm__("x20") = (long)argument;
  __asm__ volatile("svc #0\n cbnz x0, 1f\n mov x29, xzr\n mov x0, x20\n blr x19\n brk #0\n1:"
                   : "+r"(x0)
                   : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x19), "r"(x20)
                   : "x30", "memory");
  return x0;
}
#else
#error "Cannot build the benchmark's runner: neither x86-64 nor arm64"
#endif

static inline long call3(long number, long a, long b, long c) { return call4(number, a, b, c, 0); }
static inline long call2(long number, long a, long b) { return call4(number, a, b, 0, 0); }
static inline long call1(long number, long a) { return call4(number, a, 0, 0, 0); }

#endif
