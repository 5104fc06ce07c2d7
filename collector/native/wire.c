#include "wire.h"

bool read_long_varint(struct reader *reader, uint64_t *number)
{
    *number = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        if (reader->at == reader->end)
            return reader_turns_bad(reader);
        uint8_t byte = *reader->at++;
        *number |= (uint64_t)(byte & 0x7F) << shift;
        if (byte < 0x80)
            return true;
    }
    return reader_turns_bad(reader);
}
