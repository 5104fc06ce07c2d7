/* The outline of a JSON document as it flows by: how many records it has, and where the last one begins. Pure. */
#ifndef LAMBDASCOPE_OUTLINE_H
#define LAMBDASCOPE_OUTLINE_H

#include "text.h"

enum { OUTLINE_LEVELS = 4 };

struct outline {
    uint32_t depth;
    char open[OUTLINE_LEVELS]; /* the brackets of the outermost levels */
    bool in_string, escaped;
    uint32_t records; /* objects in a list of the outermost object: {"Records": [{}, {}]} */
    uint32_t grouped; /* objects in a list of an object of it: {"records": {"topic-0": [{}]}} */
};

/*
 * Reads on. Returns where in `data` the last record of it begins, -1 where none does. What is no JSON gives numbers that
 * mean nothing, and nothing worse.
 */
int64_t outline_read(struct outline *outline, struct text data);

#endif
