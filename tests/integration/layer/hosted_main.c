/* The launcher with a C library, as the sanitizers need it: what freestanding.c does without one. */
#include <sys/auxv.h>

#include "launcher.h"

int main(int argc, char **argv, char **environment)
{
    (void)argc;
    return launcher_main(argv[0] ? argv[0] : "", (const char *)getauxval(AT_EXECFN), environment);
}
