#include "base/public_id.h"

#include "base/codec.h"

static const char alphabet[] = "abcdefghijklmnopqrstuvwxyz234567";
static const char prefix[] = "msg_";

enum { PREFIX_LENGTH = 4, BYTES = 16, DIGITS = 26 };

/* 26 digits hold 130 bits: the last digit's two low bits are zero. */
void public_id_format(char text[PUBLIC_ID_SIZE], uint64_t id_space, uint64_t id)
{
    uint8_t bytes[BYTES + 1] = {0};
    put_key_u64(bytes, id_space);
    put_key_u64(bytes + 8, id);
    memcpy(text, prefix, PREFIX_LENGTH);
    for (unsigned digit = 0; digit < DIGITS; digit++) {
        unsigned bit = digit * 5;
        unsigned pair = (unsigned)bytes[bit / 8] << 8;
        if (bit / 8 + 1 <= BYTES)
            pair |= bytes[bit / 8 + 1];
        text[PREFIX_LENGTH + digit] = alphabet[(pair >> (11 - bit % 8)) & 31u];
    }
    text[PUBLIC_ID_LENGTH] = '\0';
}

bool public_id_parse(struct slice text, uint64_t *ret_id_space,
                     uint64_t *ret_id)
{
    if (text.length != PUBLIC_ID_LENGTH ||
        memcmp(text.data, prefix, PREFIX_LENGTH) != 0)
        return false;
    uint8_t bytes[BYTES + 2] = {0};
    for (unsigned digit = 0; digit < DIGITS; digit++) {
        uint8_t byte = text.data[PREFIX_LENGTH + digit];
        const char *found = byte == 0 ? NULL : strchr(alphabet, byte);
        if (found == NULL)
            return false;
        unsigned bit = digit * 5;
        unsigned pair = (unsigned)(found - alphabet) << (11 - bit % 8);
        bytes[bit / 8] |= (uint8_t)(pair >> 8);
        bytes[bit / 8 + 1] |= (uint8_t)pair;
    }
    if (bytes[BYTES] != 0)
        return false;
    *ret_id_space = get_key_u64(bytes);
    *ret_id = get_key_u64(bytes + 8);
    return true;
}
