/* The two questions that the launcher asks of JSON. Pure. */
#ifndef LAMBDASCOPE_JSON_H
#define LAMBDASCOPE_JSON_H

#include "text.h"

/*
 * The string under `key` at the top level of the object `json`, as it is written there (escapes are not resolved: the
 * values that are asked for have none). Empty where there is no such string or the text is no JSON object up to there.
 */
struct text json_string(struct text json, struct text key);
/* The same for a whole number, in digits and nothing else; -1 where there is none. */
int64_t json_number(struct text json, struct text key);

#endif
