/* What stands behind the question mark, and cursors: those that we made are
 * read as they were meant, by their own kind of list alone. */
#include "fuzz.h"

#include "http/query_string.h"

static void check_cursor(uint64_t number, char kind)
{
    struct arena arena = {0};
    struct problem problem = {0};
    struct query_string query;
    char cursor[CURSOR_SIZE];
    char text[CURSOR_SIZE + 8];
    uint64_t read;
    uint32_t limit;
    cursor_format(cursor, kind, number);
    snprintf(text, sizeof text, "cursor=%s", cursor);
    query_string_parse(slice_text(text), "cursor,limit", &arena, &query,
                       &problem);
    query_string_page(&query, kind, UINT64_MAX, &read, &limit, &problem);
    FUZZ_CHECK(problem.status == 0 && read == number);
    query_string_page(&query, (char)(kind + 1), UINT64_MAX, &read, &limit,
                      &problem);
    FUZZ_CHECK(problem.status == 400);
    arena_close(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice input = slice_of(data, size);
    struct arena arena = {0};
    struct problem problem = {0};
    struct query_string query;
    uint8_t *copy = fuzz_copy(input);
    uint64_t number = 0;
    uint32_t limit = 0;
    query_string_parse(slice_of(copy, size),
                       "limit,cursor,consistency,topic,attr.*,field.*", &arena,
                       &query, &problem);
    FUZZ_CHECK(query.count <= QUERY_PARAMETERS_MAX);
    if (problem.status == 0) {
        query_string_page(&query, 'm', UINT32_MAX, &number, &limit, &problem);
        FUZZ_CHECK(problem.status != 0 ||
                   (limit >= 1 && limit <= 1000 && number <= UINT32_MAX));
    }
    if (size >= sizeof number) {
        memcpy(&number, data, sizeof number);
        check_cursor(number >> 11, 'm');
    }
    arena_close(&arena);
    free(copy);
    return 0;
}
