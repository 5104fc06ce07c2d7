/* What each of the layer's programs defines: where freestanding.c hands over to it. */
#ifndef LAMBDASCOPE_PROGRAM_H
#define LAMBDASCOPE_PROGRAM_H

/* `argv` and `environment` end with NULL, `path` is what the kernel was asked to execute. Returns the exit code. */
int program_main(char *const *argv, const char *path, char *const *environment);

#endif
