/* The program: docs/layer.md tells what it does and why. */
#ifndef LAMBDASCOPE_LAUNCHER_H
#define LAMBDASCOPE_LAUNCHER_H

/* `called` is argv[0], `path` what the kernel was asked to execute. Returns the exit code. */
int launcher_main(const char *called, const char *path, char *const *environment);

#endif
