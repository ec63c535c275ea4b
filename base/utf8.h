/* utf8.h - one well-formed UTF-8 sequence (RFC 3629, Unicode table 3-7).
 *
 * Shared by the JSON reader, which refuses what is malformed, and the writer,
 * which replaces it. Thread: any. */
#ifndef POSTOFFICE_BASE_UTF8_H
#define POSTOFFICE_BASE_UTF8_H

#include <stddef.h>
#include <stdint.h>

static inline int utf8_continues(uint8_t byte)
{
    return (byte & 0xc0) == 0x80;
}

/* The length of the sequence that starts at `at`, of which `left` bytes can
 * be read; 0 when it is malformed: cut short, overlong, a surrogate or above
 * U+10FFFF. */
static inline size_t utf8_length(const uint8_t *at, size_t left)
{
    if (left == 0)
        return 0;
    if (at[0] < 0x80)
        return 1;
    if (at[0] < 0xc2 || at[0] > 0xf4)
        return 0;
    if (at[0] < 0xe0)
        return left >= 2 && utf8_continues(at[1]) ? 2 : 0;
    /* The first continuation byte tells overlong forms, surrogates and what
     * is beyond Unicode. */
    uint8_t low = at[0] == 0xe0 ? 0xa0 : at[0] == 0xf0 ? 0x90 : 0x80;
    uint8_t high = at[0] == 0xed ? 0x9f : at[0] == 0xf4 ? 0x8f : 0xbf;
    if (left < 3 || at[1] < low || at[1] > high || !utf8_continues(at[2]))
        return 0;
    if (at[0] < 0xf0)
        return 3;
    return left >= 4 && utf8_continues(at[3]) ? 4 : 0;
}

#endif
