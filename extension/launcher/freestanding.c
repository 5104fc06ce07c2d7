/* What a C library would bring: the program's entry point and the functions that the compiler calls on its own. */
#include "bytes.h"
#include "program.h"
#include "system.h"

/* The kernel leaves argc, argv, the environment and the auxiliary vector on the stack, in that order. */
#if defined(__x86_64__)
__asm__(".globl _start\n"
        "_start:\n"
        "  xor %ebp, %ebp\n"
        "  mov %rsp, %rdi\n"
        "  and $-16, %rsp\n"
        "  call start\n");
#else
__asm__(".globl _start\n"
        "_start:\n"
        "  mov x29, #0\n"
        "  mov x30, #0\n"
        "  mov x0, sp\n"
        "  and sp, x0, #-16\n"
        "  bl start\n");
#endif

_Noreturn void start(long *stack)
{
    char **argv = (char **)(stack + 1);
    char **environment = argv + stack[0] + 1;
    char **end = environment;
    while (*end)
        end++;
    const char *path = argv[0];
    for (long *pair = (long *)(end + 1); pair[0]; pair += 2)
        if (pair[0] == LINUX_AT_EXECFN)
            path = (const char *)pair[1];
    exit_process(program_main(argv, path ? path : "", environment));
}

void *memcpy(void *restrict to, const void *restrict from, size_t size)
{
    return memmove(to, from, size);
}

void *memmove(void *to, const void *from, size_t size)
{
    volatile char *target = to; /* volatile: the compiler must not turn the loops into calls of this function */
    const char *source = from;
    if ((const char *)to < source)
        for (size_t i = 0; i < size; i++)
            target[i] = source[i];
    else
        while (size-- > 0)
            target[size] = source[size];
    return to;
}

void *memset(void *to, int byte, size_t size)
{
    volatile char *target = to;
    for (size_t i = 0; i < size; i++)
        target[i] = (char)byte;
    return to;
}

int memcmp(const void *a, const void *b, size_t size)
{
    const unsigned char *left = a, *right = b;
    for (size_t i = 0; i < size; i++)
        if (left[i] != right[i])
            return left[i] < right[i] ? -1 : 1;
    return 0;
}
