/* The launcher with a C library, as the sanitizers need it: what freestanding.c does without one. */
#include <sys/auxv.h>

#include "program.h"

int main(int argc, char **argv, char **environment)
{
    (void)argc;
    return program_main(argv, (const char *)getauxval(AT_EXECFN), environment);
}
