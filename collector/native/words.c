#include "words.h"

#include <stdlib.h>

enum { FIRST_SLOTS = 64 };

static uint64_t mixed(uint64_t a, uint64_t b)
{
    unsigned __int128 product = (unsigned __int128)(a ^ 0x9E3779B97F4A7C15) * (b ^ 0xD6E8FEB86659FD93);
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static uint64_t hash_of(struct bytes word, uint64_t seed)
{
    uint64_t hash = mixed(seed, word.length), part;
    size_t i = 0;
    for (; i + sizeof part <= word.length; i += sizeof part) {
        memcpy(&part, word.at + i, sizeof part);
        hash = mixed(hash, part);
    }
    part = 0;
    if (i < word.length)
        memcpy(&part, word.at + i, word.length - i);
    return mixed(hash, part);
}

static struct word *word_at(const struct words *words, uint32_t index)
{
    return (struct word *)words->entries.at + index;
}

static bool is_word(const struct words *words, uint32_t index, struct bytes word)
{
    return bytes_equal(words_text(words, index), word);
}

static void enter(struct words *words, uint64_t hash, uint32_t index)
{
    uint32_t slot = (uint32_t)hash & (words->slot_count - 1);
    while (words->slots[slot] != 0)
        slot = (slot + 1) & (words->slot_count - 1);
    words->slots[slot] = index + 1;
}

/* Keeps a third of the slots free. */
static bool make_slots(struct words *words)
{
    uint32_t count = words_count(words);
    if (words->slot_count != 0 && count < words->slot_count - words->slot_count / 3)
        return true;
    uint32_t slot_count = words->slot_count == 0 ? FIRST_SLOTS : 2 * words->slot_count;
    size_t size = slot_count * sizeof(uint32_t);
    uint32_t *slots = size <= memory.left ? calloc(1, size) : NULL;
    if (slots == NULL) {
        memory.out = true;
        return false;
    }
    memory.left -= size - words->slot_count * sizeof(uint32_t);
    free(words->slots);
    words->slots = slots;
    words->slot_count = slot_count;
    for (uint32_t index = 0; index < count; index++)
        enter(words, word_at(words, index)->hash, index);
    return true;
}

static uint32_t add(struct words *words, struct bytes word, uint64_t hash)
{
    uint32_t index = words_count(words);
    if (!make_slots(words))
        return 0;
    put_string(&words->text, word);
    struct word entry = {hash, words->text.length - word.length, word.length, 0};
    put(&words->entries, &entry, sizeof entry);
    if (!memory.out)
        enter(words, hash, index);
    return index;
}

static uint32_t look_up(struct words *words, struct bytes word)
{
    uint64_t hash = hash_of(word, words->seed);
    for (uint32_t slot = (uint32_t)hash; words->slot_count != 0; slot++) {
        uint32_t found = words->slots[slot & (words->slot_count - 1)];
        if (found == 0)
            break;
        if (word_at(words, found - 1)->hash == hash && is_word(words, found - 1, word))
            return found - 1;
    }
    return add(words, word, hash);
}

void words_put(struct words *words, struct bytes word)
{
    uint32_t index = 0;
    if (memory.out)
        return;
    /* Rows repeat, and so does their order: mostly it is the word that came after this one the last time. */
    if (words_count(words) != 0) {
        index = word_at(words, words->last)->next;
        if (!is_word(words, index, word)) {
            index = look_up(words, word);
            if (memory.out)
                return;
            word_at(words, words->last)->next = index;
        }
    } else {
        index = add(words, word, hash_of(word, words->seed));
    }
    words->last = index;
    put_uint32(&words->indexes, index);
}

void words_put_same(struct words *words, struct bytes word, struct same *same)
{
    if (same->put) {
        words_put_again(words, same->row, 1);
        return;
    }
    *same = (struct same){true, words_rows(words)};
    words_put(words, word);
}

void words_put_again(struct words *words, size_t first, size_t count)
{
    if (memory.out)
        return; /* the rows to be copied need not be there */
    uint8_t *place = buffer_take(&words->indexes, count * sizeof(uint32_t));
    if (place != NULL && count != 0)
        memcpy(place, words->indexes.at + first * sizeof(uint32_t), count * sizeof(uint32_t));
}

uint64_t words_narrow(struct words *words)
{
    size_t rows = words_rows(words);
    uint32_t count = words_count(words);
    const uint32_t *wide = (const uint32_t *)words->indexes.at;
    uint8_t *narrow = words->indexes.at; /* never ahead of what is read */
    if (count > UINT16_MAX + 1)
        return 2;
    if (count > UINT8_MAX + 1) {
        for (size_t row = 0; row < rows; row++) {
            uint16_t index = (uint16_t)wide[row];
            memcpy(narrow + row * sizeof index, &index, sizeof index);
        }
        words->indexes.length = rows * sizeof(uint16_t);
        return 1;
    }
    for (size_t row = 0; row < rows; row++)
        narrow[row] = (uint8_t)wide[row];
    words->indexes.length = rows;
    return 0;
}

void words_clear(struct words *words, uint64_t seed)
{
    words->text.length = words->entries.length = words->indexes.length = 0;
    words->last = 0;
    words->seed = seed;
    if (words->slots != NULL)
        memset(words->slots, 0, words->slot_count * sizeof *words->slots);
}

void words_free(struct words *words)
{
    buffer_free(&words->text);
    buffer_free(&words->entries);
    buffer_free(&words->indexes);
    free(words->slots);
    words->slots = NULL;
}
