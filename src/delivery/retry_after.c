#include "retry_after.h"

#include <time.h>

/* A second that has begun counts in full: never too early. */
static uint64_t seconds_after(struct slice value, uint64_t now_ms)
{
    uint64_t seconds = 0;
    if (value.length > 10)
        return UINT64_MAX; /* Digits enough for centuries: as far as may be. */
    for (size_t i = 0; i < value.length; i++)
        seconds = seconds * 10 + (uint64_t)(value.data[i] - '0');
    return seconds == 0 ? 0 : now_ms + seconds * 1000u;
}

static bool all_digits(struct slice value)
{
    for (size_t i = 0; i < value.length; i++) {
        if (value.data[i] < '0' || value.data[i] > '9')
            return false;
    }
    return value.length > 0;
}

static struct slice trim(struct slice value)
{
    while (value.length > 0 && (value.data[0] == ' ' || value.data[0] == '\t'))
        value = slice_of(value.data + 1, value.length - 1);
    while (value.length > 0 && (value.data[value.length - 1] <= ' '))
        value.length--;
    return value;
}

uint64_t retry_after_ms(struct slice value, uint64_t now_ms)
{
    static const char *const forms[] = {
        "%a, %d %b %Y %H:%M:%S GMT", /* IMF-fixdate */
        "%A, %d-%b-%y %H:%M:%S GMT", /* RFC 850 */
        "%a %b %d %H:%M:%S %Y",      /* asctime() */
    };
    char text[64];
    value = trim(value);
    if (all_digits(value))
        return seconds_after(value, now_ms);
    if (value.length == 0 || value.length >= sizeof text)
        return 0;
    memcpy(text, value.data, value.length);
    text[value.length] = '\0';
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        struct tm date = {0};
        const char *end = strptime(text, forms[i], &date);
        if (end == NULL || *end != '\0')
            continue;
        time_t at = timegm(&date);
        uint64_t at_ms = at > 0 ? (uint64_t)at * 1000u : 0;
        return at_ms > now_ms ? at_ms : 0;
    }
    return 0;
}
