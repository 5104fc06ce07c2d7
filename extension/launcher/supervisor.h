/* Runs the bundled Python, and answers for it where it is gone. */
#ifndef LAMBDASCOPE_SUPERVISOR_H
#define LAMBDASCOPE_SUPERVISOR_H

#include "extension.h"

/*
 * Starts the bundled Python, hands over what `extension` has, and waits for its end. Returns its exit code: 0 only where
 * it was there until SHUTDOWN. `path`: this program's, for where /proc does not tell.
 */
int run_python(struct extension *extension, const char *path, char *const *environment);

/* Asks for event after event until SHUTDOWN, so that no invocation ever waits for the missing Python. */
int serve_until_shutdown(struct extension *extension);

#endif
