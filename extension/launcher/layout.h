/* Where the layer lies. */
#ifndef LAMBDASCOPE_LAYOUT_H
#define LAMBDASCOPE_LAYOUT_H

#include "text.h"

enum { PATH_CAPACITY = 4096 };

/*
 * The folder that holds extensions/ and lambdascope/, /opt in Lambda: two levels above this program, which is executed by
 * `path` where /proc does not tell. `buffer` has PATH_CAPACITY bytes.
 */
struct text layer_root(const char *path, char *buffer);

#endif
