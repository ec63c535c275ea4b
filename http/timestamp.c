/* Field by field; no locale, no time zone of the machine. A leap second
 * (23:59:60) is the second behind it. */
#include "http/timestamp.h"

struct reader {
    struct slice text;
    size_t at;
    bool failed;
};

static uint8_t peek(const struct reader *reader)
{
    return reader->at < reader->text.length ? reader->text.data[reader->at] : 0;
}

static bool take(struct reader *reader, char expected)
{
    if (peek(reader) != (uint8_t)expected)
        return false;
    reader->at++;
    return true;
}

static void expect(struct reader *reader, char expected)
{
    if (!take(reader, expected))
        reader->failed = true;
}

static uint32_t digits(struct reader *reader, unsigned count, uint32_t lowest,
                       uint32_t highest)
{
    uint32_t number = 0;
    for (unsigned i = 0; i < count; i++) {
        uint8_t byte = peek(reader);
        if (byte < '0' || byte > '9') {
            reader->failed = true;
            return lowest;
        }
        number = number * 10 + (uint32_t)(byte - '0');
        reader->at++;
    }
    if (number < lowest || number > highest)
        reader->failed = true;
    return number;
}

static bool is_leap(uint32_t year)
{
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static uint32_t days_in(uint32_t year, uint32_t month)
{
    static const uint8_t days[] = {31, 28, 31, 30, 31, 30,
                                   31, 31, 30, 31, 30, 31};
    return month == 2 && is_leap(year) ? 29 : days[month - 1];
}

static uint64_t days_since_epoch(uint32_t year, uint32_t month, uint32_t day)
{
    uint32_t before = year - 1;
    uint64_t days = before * UINT64_C(365) + before / 4 - before / 100 +
                    before / 400 - UINT64_C(719162);
    for (uint32_t i = 1; i < month; i++)
        days += days_in(year, i);
    return days + day - 1;
}

static uint64_t read_date(struct reader *reader)
{
    uint32_t year = digits(reader, 4, 1970, 9999);
    expect(reader, '-');
    uint32_t month = digits(reader, 2, 1, 12);
    expect(reader, '-');
    uint32_t day = digits(reader, 2, 1, 31);
    if (reader->failed || day > days_in(year, month)) {
        reader->failed = true;
        return 0;
    }
    return days_since_epoch(year, month, day) * 86400;
}

static uint64_t read_time(struct reader *reader)
{
    uint64_t hour = digits(reader, 2, 0, 23);
    expect(reader, ':');
    uint64_t minute = digits(reader, 2, 0, 59);
    expect(reader, ':');
    uint64_t second = digits(reader, 2, 0, 60);
    if (second == 60 && (hour != 23 || minute != 59))
        reader->failed = true;
    return hour * 3600 + minute * 60 + second;
}

/* In milliseconds, rounded up. */
static uint64_t read_fraction(struct reader *reader)
{
    uint64_t ms = 0;
    uint64_t weight = 100;
    bool finer = false;
    if (!take(reader, '.'))
        return 0;
    if (peek(reader) < '0' || peek(reader) > '9')
        reader->failed = true;
    while (peek(reader) >= '0' && peek(reader) <= '9') {
        uint64_t digit = (uint64_t)(peek(reader) - '0');
        ms += digit * weight;
        finer |= weight == 0 && digit != 0;
        weight /= 10;
        reader->at++;
    }
    return ms + finer;
}

/* In seconds east of UTC. */
static int64_t read_offset(struct reader *reader)
{
    bool west = peek(reader) == '-';
    if (take(reader, 'Z') || take(reader, 'z'))
        return 0;
    if (!west && peek(reader) != '+')
        reader->failed = true;
    reader->at++;
    int64_t hours = digits(reader, 2, 0, 23);
    expect(reader, ':');
    int64_t minutes = digits(reader, 2, 0, 59);
    return (west ? -1 : 1) * (hours * 3600 + minutes * 60);
}

bool timestamp_parse(struct slice text, uint64_t *ret_ms)
{
    struct reader reader = {.text = text};
    uint64_t seconds = read_date(&reader);
    bool spaced = take(&reader, ' ');
    if (!spaced && !take(&reader, 'T') && !take(&reader, 't'))
        return false;
    seconds += read_time(&reader);
    uint64_t ms = read_fraction(&reader);
    /* With a space an offset may be missing: then it is UTC. */
    int64_t offset =
        spaced && reader.at == text.length ? 0 : read_offset(&reader);
    if (reader.failed || reader.at != text.length ||
        (offset > 0 && seconds < (uint64_t)offset))
        return false;
    seconds -= (uint64_t)offset;
    *ret_ms = seconds * 1000 + ms;
    return true;
}
