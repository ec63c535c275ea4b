#include "http/query_string.h"

#include "base/bounds.h"

#include <inttypes.h>
#include <stdio.h>

static int hex_value(uint8_t byte)
{
    if (byte >= '0' && byte <= '9')
        return byte - '0';
    byte |= 0x20;
    return byte >= 'a' && byte <= 'f' ? byte - 'a' + 10 : -1;
}

/* NUL-terminated, in the arena. False: a percent sign without two digits. */
static bool decode(struct slice text, struct arena *arena, struct slice *ret)
{
    uint8_t *start = arena_take(arena, text.length + 1);
    uint8_t *to = start;
    for (size_t i = 0; i < text.length; i++) {
        uint8_t byte = text.data[i];
        if (byte == '%') {
            int high = i + 2 < text.length ? hex_value(text.data[i + 1]) : -1;
            int low = high < 0 ? -1 : hex_value(text.data[i + 2]);
            if (low < 0)
                return false;
            byte = (uint8_t)(high << 4 | low);
            i += 2;
        } else if (byte == '+') {
            byte = ' ';
        }
        *to++ = byte;
    }
    *to = '\0';
    *ret = slice_of(start, (size_t)(to - start));
    return true;
}

static bool name_is_known(struct slice name, const char *known)
{
    while (known != NULL && *known != '\0') {
        size_t length = strcspn(known, ",");
        bool starts = length > 0 && known[length - 1] == '*';
        size_t fixed = length - starts;
        if (slice_equal(name, slice_of(known, length)) ||
            (starts && name.length > fixed &&
             memcmp(name.data, known, fixed) == 0))
            return true;
        known += length + (known[length] == ',');
    }
    return false;
}

/* Takes the text before the next `&` off the front. */
static struct slice next_pair(struct slice *text)
{
    const uint8_t *end = memchr(text->data, '&', text->length);
    size_t length = end == NULL ? text->length : (size_t)(end - text->data);
    struct slice pair = slice_of(text->data, length);
    size_t taken = length + (end != NULL);
    *text = slice_of(text->data + taken, text->length - taken);
    return pair;
}

static void parse_pair(struct slice pair, const char *known,
                       struct arena *arena, struct query_string *query,
                       struct problem *problem)
{
    const uint8_t *equals = memchr(pair.data, '=', pair.length);
    size_t length = equals == NULL ? pair.length : (size_t)(equals - pair.data);
    size_t skipped = length + (equals != NULL);
    struct slice name, value;
    if (!decode(slice_of(pair.data, length), arena, &name)) {
        problem_set(problem, 400, "invalid",
                    "The query holds a broken percent-encoding.");
        return;
    }
    const char *text = (const char *)name.data;
    struct slice given;
    if (!name_is_known(name, known))
        problem_parameter(problem, text, "is an unknown query parameter");
    else if (!decode(slice_of(pair.data + skipped, pair.length - skipped),
                     arena, &value))
        problem_parameter(problem, text, PROBLEM_INVALID);
    else if (query_string_get(query, text, &given))
        problem_parameter(problem, text, "is given twice");
    else if (query->count == QUERY_PARAMETERS_MAX)
        problem_parameter(problem, text, "is one parameter too many");
    else {
        query->parameters[query->count].name = text;
        query->parameters[query->count++].value = value;
    }
}

void query_string_parse(struct slice text, const char *known,
                        struct arena *arena, struct query_string *ret_query,
                        struct problem *problem)
{
    ret_query->count = 0;
    while (text.length > 0 && problem->error_count < PROBLEM_ERRORS_MAX) {
        struct slice pair = next_pair(&text);
        if (pair.length > 0)
            parse_pair(pair, known, arena, ret_query, problem);
    }
}

bool query_string_get(const struct query_string *query, const char *name,
                      struct slice *ret_value)
{
    for (unsigned i = 0; i < query->count; i++) {
        if (strcmp(query->parameters[i].name, name) == 0) {
            *ret_value = query->parameters[i].value;
            return true;
        }
    }
    return false;
}

void cursor_format(char text[CURSOR_SIZE], char kind, uint64_t number)
{
    snprintf(text, CURSOR_SIZE, "%c%016" PRIx64, kind, number);
}

bool cursor_number(struct slice *text, uint64_t *ret_number)
{
    uint64_t number = 0;
    if (text->length < CURSOR_DIGITS)
        return false;
    for (size_t i = 0; i < CURSOR_DIGITS; i++) {
        int digit = hex_value(text->data[i]);
        if (digit < 0)
            return false;
        number = number << 4 | (uint64_t)digit;
    }
    *text = slice_of(text->data + CURSOR_DIGITS, text->length - CURSOR_DIGITS);
    *ret_number = number;
    return true;
}

static bool cursor_parse(struct slice text, char kind, uint64_t highest,
                         uint64_t *ret_number)
{
    if (text.length < 1 || text.data[0] != (uint8_t)kind)
        return false;
    struct slice rest = slice_of(text.data + 1, text.length - 1);
    return cursor_number(&rest, ret_number) && rest.length == 0 &&
           *ret_number <= highest;
}

static bool limit_parse(struct slice text, uint32_t *ret_limit)
{
    uint32_t limit = 0;
    if (text.length == 0 || text.length > 4)
        return false;
    for (size_t i = 0; i < text.length; i++) {
        if (text.data[i] < '0' || text.data[i] > '9')
            return false;
        limit = limit * 10 + (uint32_t)(text.data[i] - '0');
    }
    if (limit < 1 || limit > BOUND_LIST_LIMIT)
        return false;
    *ret_limit = limit;
    return true;
}

void query_string_limit(const struct query_string *query, uint32_t *ret_limit,
                        struct problem *problem)
{
    struct slice value;
    *ret_limit = BOUND_LIST_DEFAULT;
    if (query_string_get(query, "limit", &value) &&
        !limit_parse(value, ret_limit))
        problem_parameter(problem, "limit",
                          "is invalid: an integer from 1 to 1000 is expected");
}

void query_string_page(const struct query_string *query, char kind,
                       uint64_t highest, uint64_t *ret_number,
                       uint32_t *ret_limit, struct problem *problem)
{
    struct slice value;
    *ret_number = 0;
    query_string_limit(query, ret_limit, problem);
    if (query_string_get(query, "cursor", &value) &&
        !cursor_parse(value, kind, highest, ret_number))
        problem_parameter(problem, "cursor", PROBLEM_INVALID);
}
