#include "bodies.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

struct arena body_arena;
struct problem body_problem;

void body_begin(void)
{
    arena_close(&body_arena);
    body_problem = (struct problem){0};
}

void body_expect(const char *wanted)
{
    char said[1024];
    int length = snprintf(said, sizeof said, "%d", body_problem.status);
    for (unsigned i = 0; i < body_problem.error_count; i++) {
        const struct problem_error *error = &body_problem.errors[i];
        length += snprintf(
            said + length, sizeof said - (size_t)length, "%s%s%s%.*s%.*s: %s",
            i == 0 ? " " : "; ", error->field,
            error->element.length == 0 ? "" : "/", (int)error->element.length,
            (const char *)error->element.data, (int)error->pointer.length,
            (const char *)error->pointer.data, error->text);
    }
    assert_string_equal(said, wanted);
}
