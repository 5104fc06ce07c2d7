/* What the opt-in parts need from the launcher: somebody who listens to the wrapper, and the Runtime API proxy. */
#ifndef LAMBDASCOPE_DEPTH_H
#define LAMBDASCOPE_DEPTH_H

#include "environment.h"

struct depth {
    int marks;  /* datagrams of the wrapper and its probe; -1: none are expected */
    int events; /* datagrams of the proxy; -1: there is none */
};

/*
 * Opens what is asked for, before the registration and so before the runtime starts; what cannot be opened is left out.
 * `path` is what the kernel was asked to execute: the proxy lies beside it.
 */
struct depth depth_open(const char *path, char *const *environment, struct text runtime_api);
void depth_close(struct depth *depth);

#endif
