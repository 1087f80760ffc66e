/* The two things that depend on the architecture: the entry point of a program and system calls. */
#pragma once

#if defined(__x86_64__)

/* The kernel starts a program with argc, argv and the environment on the stack. */
#define DEFINE_START(main)                                                                                             \
  __asm__(".globl _start\n_start:\n xor %ebp, %ebp\n mov %rsp, %rdi\n and $-16, %rsp\n call " #main "\n")

static inline long system_call(long number, long a, long b, long c, long d, long e) {
  register long r10 __asm__("r10") = d;
  register long r8 __asm__("r8") = e;
  long result;
  __asm__ volatile("syscall"
                   : "=a"(result)
                   : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8)
                   : "rcx", "r11", "memory");
  return result;
}

#elif defined(__aarch64__)

#define DEFINE_START(main) __asm__(".globl _start\n_start:\n mov x29, #0\n mov x30, #0\n mov x0, sp\n b " #main "\n")

static inline long system_call(long number, long a, long b, long c, long d, long e) {
  register long x8 __asm__("x8") = number;
  register long x0 __asm__("x0") = a;
  register long x1 __asm__("x1") = b;
  register long x2 __asm__("x2") = c;
  register long x3 __asm__("x3") = d;
  register long x4 __asm__("x4") = e;
  __asm__ volatile("svc #0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4) : "memory");
  return x0;
}

#else
#error "The shim runs on x86-64 and arm64"
#endif
