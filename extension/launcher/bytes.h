/* The four functions that a C compiler may call on its own; freestanding.c defines them where there is no C library. */
#ifndef LAMBDASCOPE_BYTES_H
#define LAMBDASCOPE_BYTES_H

#include <stddef.h>

void *memcpy(void *restrict to, const void *restrict from, size_t size);
void *memmove(void *to, const void *from, size_t size);
void *memset(void *to, int byte, size_t size);
int memcmp(const void *a, const void *b, size_t size);

#endif
