/* The runtime's process, as /proc shows it. */
#ifndef LAMBDASCOPE_RUNTIME_H
#define LAMBDASCOPE_RUNTIME_H

#include "text.h"

/*
 * When the runtime's process started, in nanoseconds since the epoch, cut to a tick of 10 ms; 0 where it is not to be seen.
 * extension/proc.py asks the same of /proc in the same way; but when Python starts, a runtime that failed may be gone.
 */
int64_t runtime_start_ns(struct text runtime_api);

/* Whether an environment as /proc/PID/environ gives it is the runtime's, or of what the function started. Pure. */
bool is_environment_of_runtime(struct text environment, struct text runtime_api);
/* The start time in the text of /proc/PID/stat, in ticks after the start of the machine; -1 where there is none. Pure. */
int64_t start_ticks(struct text stat);

#endif
