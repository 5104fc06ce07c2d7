#ifndef LAMBDASCOPE_NUMBER_H
#define LAMBDASCOPE_NUMBER_H

#include "buffer.h"

/* Writes a double, given by its bits, as ClickHouse does: the fewest digits that read back the same, with an exponent below
 * 1e-6 and from 1e21. False where those digits are not certain here; what was written is void then. */
bool put_double(struct buffer *to, uint64_t bits);

#endif
