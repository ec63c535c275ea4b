#include "base/base64.h"

#include <limits.h>
#include <openssl/evp.h>
#include <string.h>

static bool is_letter(uint8_t byte)
{
    return (byte >= 'A' && byte <= 'Z') || (byte >= 'a' && byte <= 'z') ||
           (byte >= '0' && byte <= '9') || byte == '+' || byte == '/';
}

static bool is_sound(struct slice text, size_t padding)
{
    size_t left = text.length % 4;
    for (size_t i = 0; i < text.length; i++)
        if (!is_letter(text.data[i]))
            return false;
    return left != 1 && text.length <= INT_MAX &&
           (padding == 0 || padding == (4 - left) % 4);
}

/* Whole quartets first; the last one may lack letters. */
bool base64_decode(struct slice text, uint8_t *to, size_t *ret_length)
{
    size_t given = text.length;
    uint8_t quartet[4] = "====";
    uint8_t bytes[3];
    while (text.length > 0 && text.data[text.length - 1] == '=')
        text.length--;
    if (!is_sound(text, given - text.length))
        return false;
    size_t left = text.length % 4;
    size_t whole = text.length - left;
    size_t length = whole / 4 * 3;
    if (whole > 0 && EVP_DecodeBlock(to, text.data, (int)whole) < 0)
        return false;
    if (left > 0) {
        memcpy(quartet, text.data + whole, left);
        if (EVP_DecodeBlock(bytes, quartet, sizeof quartet) < 0)
            return false;
        memcpy(to + length, bytes, left - 1);
        length += left - 1;
    }
    *ret_length = length;
    return true;
}
