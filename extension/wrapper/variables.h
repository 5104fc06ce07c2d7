/* The runtime's environment: the function's, with what the probe and the proxy need added to it. Pure. */
#ifndef LAMBDASCOPE_VARIABLES_H
#define LAMBDASCOPE_VARIABLES_H

#include "environment.h"

enum { MOST_VARIABLES = 2048, ADDED_CAPACITY = 16 * 1024 };

struct wishes {
    struct text root;        /* the layer's: /opt */
    int marks;               /* descriptor for the probe's marks; -1: nobody would read them */
    struct text runtime_api; /* the proxy's; empty: the runtime stays where it is */
};

struct variables {
    const char *list[MOST_VARIABLES + 4];
    char added[ADDED_CAPACITY];
    bool probed; /* the probe is asked for, and finds the descriptor in LAMBDASCOPE_MARKS */
};

/*
 * `environment` where nothing is to be changed, or has no room; else a list in `variables`. PYTHONPATH and NODE_OPTIONS keep
 * what they have. LAMBDASCOPE_PROBE=off leaves the probe out.
 */
char *const *variables_for_runtime(struct variables *variables, char *const *environment, const struct wishes *wishes);

#endif
