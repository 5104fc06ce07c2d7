/* The system calls of the launcher, without a C library: each returns the kernel's answer, a negative errno on failure. */
#ifndef LAMBDASCOPE_SYSTEM_H
#define LAMBDASCOPE_SYSTEM_H

#include <stddef.h>
#include <stdint.h>

#if defined(__x86_64__)
enum {
    SYS_READ = 0, SYS_WRITE = 1, SYS_CLOSE = 3, SYS_MMAP = 9, SYS_MUNMAP = 11, SYS_RT_SIGACTION = 13, SYS_PWRITE64 = 18, SYS_NANOSLEEP = 35,
    SYS_GETPID = 39, SYS_SOCKET = 41, SYS_CONNECT = 42, SYS_SENDTO = 44, SYS_RECVFROM = 45, SYS_SHUTDOWN = 48, SYS_BIND = 49,
    SYS_LISTEN = 50, SYS_GETSOCKNAME = 51, SYS_SOCKETPAIR = 53, SYS_SETSOCKOPT = 54, SYS_CLONE = 56, SYS_EXECVE = 59, SYS_WAIT4 = 61,
    SYS_FCNTL = 72, SYS_FTRUNCATE = 77, SYS_GETPPID = 110, SYS_PRCTL = 157, SYS_CLOCK_GETTIME = 228,
    SYS_GETDENTS64 = 217, SYS_EXIT_GROUP = 231, SYS_OPENAT = 257, SYS_READLINKAT = 267, SYS_PPOLL = 271,
    SYS_ACCEPT4 = 288, SYS_PIPE2 = 293, SYS_PRLIMIT64 = 302, SYS_MEMFD_CREATE = 319
};
#elif defined(__aarch64__)
enum {
    SYS_FCNTL = 25, SYS_FTRUNCATE = 46, SYS_OPENAT = 56, SYS_CLOSE = 57, SYS_PIPE2 = 59, SYS_GETDENTS64 = 61, SYS_READ = 63, SYS_WRITE = 64, SYS_PWRITE64 = 68,
    SYS_PPOLL = 73, SYS_READLINKAT = 78, SYS_EXIT_GROUP = 94, SYS_NANOSLEEP = 101, SYS_CLOCK_GETTIME = 113,
    SYS_RT_SIGACTION = 134, SYS_PRCTL = 167, SYS_GETPID = 172, SYS_GETPPID = 173, SYS_SOCKET = 198, SYS_SOCKETPAIR = 199, SYS_BIND = 200,
    SYS_LISTEN = 201, SYS_CONNECT = 203, SYS_GETSOCKNAME = 204, SYS_SENDTO = 206, SYS_RECVFROM = 207,
    SYS_SETSOCKOPT = 208, SYS_SHUTDOWN = 210, SYS_MUNMAP = 215, SYS_CLONE = 220, SYS_EXECVE = 221, SYS_MMAP = 222, SYS_ACCEPT4 = 242, SYS_WAIT4 = 260,
    SYS_PRLIMIT64 = 261, SYS_MEMFD_CREATE = 279
};
#else
#error "the launcher is written for x86_64 and aarch64"
#endif

#if defined(__x86_64__)
enum { LINUX_O_DIRECTORY = 0200000 };
#else
enum { LINUX_O_DIRECTORY = 040000 };
#endif

/* From the kernel's headers, which are the same on both architectures. */
enum {
    LINUX_ENOENT = 2, LINUX_EINTR = 4, LINUX_EAGAIN = 11, LINUX_ENFILE = 23, LINUX_EMFILE = 24, LINUX_EINPROGRESS = 115,
    LINUX_AF_UNIX = 1, LINUX_AF_INET = 2, LINUX_SOCK_STREAM = 1, LINUX_SOCK_DGRAM = 2, LINUX_SOCK_NONBLOCK = 04000,
    LINUX_SOCK_CLOEXEC = 02000000, LINUX_SHUT_WR = 1, LINUX_IPPROTO_TCP = 6, LINUX_TCP_NODELAY = 1,
    LINUX_SOL_SOCKET = 1, LINUX_SO_REUSEADDR = 2, LINUX_SO_LINGER = 13, LINUX_SO_RCVTIMEO = 20, LINUX_SO_SNDTIMEO = 21,
    LINUX_MSG_PEEK = 2, LINUX_MSG_DONTWAIT = 0x40, LINUX_MSG_NOSIGNAL = 0x4000,
    LINUX_F_DUPFD = 0, LINUX_F_SETFD = 2, LINUX_F_SETFL = 4, LINUX_F_DUPFD_CLOEXEC = 1030,
    LINUX_O_NONBLOCK = 04000, LINUX_O_CLOEXEC = 02000000,
    LINUX_AT_FDCWD = -100,
    LINUX_POLLIN = 1, LINUX_POLLOUT = 4, LINUX_POLLERR = 8, LINUX_POLLHUP = 16,
    LINUX_PROT_READ_WRITE = 3, LINUX_MAP_PRIVATE_ANONYMOUS = 0x22,
    LINUX_CLOCK_REALTIME = 0, LINUX_CLOCK_MONOTONIC = 1, LINUX_CLOCK_BOOTTIME = 7,
    LINUX_SIGKILL = 9, LINUX_SIGCHLD = 17,
    LINUX_PR_SET_PDEATHSIG = 1, LINUX_RLIMIT_NOFILE = 7,
    LINUX_AT_EXECFN = 31
};

struct linux_timespec { int64_t seconds, nanoseconds; };
struct linux_pollfd { int fd; short events, revents; };
/* Port and address are in network byte order. */
struct linux_sockaddr_in { uint16_t family, port; uint32_t address; char zero[8]; };

static inline long system_call(long number, long a, long b, long c, long d, long e, long f)
{
#if defined(__x86_64__)
    long result;
    register long r10 __asm__("r10") = d;
    register long r8 __asm__("r8") = e;
    register long r9 __asm__("r9") = f;
    __asm__ volatile("syscall" : "=a"(result)
                     : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    return result;
#else
    register long x8 __asm__("x8") = number;
    register long x0 __asm__("x0") = a;
    register long x1 __asm__("x1") = b;
    register long x2 __asm__("x2") = c;
    register long x3 __asm__("x3") = d;
    register long x4 __asm__("x4") = e;
    register long x5 __asm__("x5") = f;
    __asm__ volatile("svc 0" : "+r"(x0)
                     : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5) : "memory");
    return x0;
#endif
}

static inline long system_call3(long number, long a, long b, long c) { return system_call(number, a, b, c, 0, 0, 0); }

static inline void close_fd(int fd) { system_call3(SYS_CLOSE, fd, 0, 0); }

static inline int64_t clock_ns(int clock)
{
    struct linux_timespec now = {0, 0};
    system_call3(SYS_CLOCK_GETTIME, clock, (long)&now, 0);
    return now.seconds * 1000000000 + now.nanoseconds;
}

static inline void sleep_ms(int64_t ms)
{
    struct linux_timespec duration = {ms / 1000, ms % 1000 * 1000000};
    system_call3(SYS_NANOSLEEP, (long)&duration, 0, 0);
}

_Noreturn static inline void exit_process(int code)
{
    for (;;)
        system_call3(SYS_EXIT_GROUP, code, 0, 0);
}

#endif
