/* When the bundled Python starts: its start takes processor time, and on a small function the first answer pays for it. */
#ifndef LAMBDASCOPE_HOLD_H
#define LAMBDASCOPE_HOLD_H

#include "extension.h"

/*
 * Takes telemetry in Python's place until the function's first answer is done, and returns when Python shall start: then,
 * or at SHUTDOWN, or after a bounded time, or as soon as anything is not as expected. Returns at once where nobody waits
 * for the function's first answer, where its end could not be seen, or where the function's own SDK sends to Python.
 */
void hold_until_function_is_done(struct extension *extension);

#endif
