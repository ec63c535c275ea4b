#include "base/error.h"
#include "http/problem.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static json_t *written(const struct problem *problem)
{
    struct encoder out = {0};
    problem_write(problem, slice_text("/api/x"), slice_text("r-1"), &out);
    json_t *value = json_loadb((const char *)out.data, out.length,
                               JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(value);
    encoder_close(&out);
    return value;
}

static const char *text(json_t *value, const char *name)
{
    return json_string_value(json_object_get(value, name));
}

/* The texts of a field, as the original's clients read them. */
static const char *original(json_t *value, const char *field, size_t index)
{
    json_t *errors = json_object_get(json_object_get(value, "data"), "errors");
    return json_string_value(
        json_array_get(json_object_get(errors, field), index));
}

static void test_fields(void **state)
{
    (void)state;
    struct problem problem = {0};
    problem_not_built(&problem, "filter");
    problem_field(&problem, "name", PROBLEM_BLANK);
    problem_field(&problem, "topic", PROBLEM_INVALID);
    problem_element(&problem, "attributes", slice_text("a/b~c"), "bad");
    problem_field(&problem, "name", "twice");
    problem_parameter(&problem, "limit", PROBLEM_INVALID);
    json_t *value = written(&problem);
    assert_int_equal(json_integer_value(json_object_get(value, "status")), 400);
    assert_string_equal(text(value, "code"), "invalid");
    assert_string_equal(text(value, "type"), "urn:postoffice:problem:invalid");
    assert_string_equal(text(value, "title"), "Bad Request");
    assert_string_equal(text(value, "detail"), "name: can't be blank");
    assert_string_equal(text(value, "instance"), "/api/x");
    assert_string_equal(text(value, "request_id"), "r-1");
    json_t *errors = json_object_get(value, "errors");
    assert_int_equal(json_array_size(errors), 5);
    assert_string_equal(text(json_array_get(errors, 2), "pointer"),
                        "/attributes/a~1b~0c");
    assert_true(
        json_is_null(json_object_get(json_array_get(errors, 4), "pointer")));
    assert_string_equal(text(json_array_get(errors, 4), "parameter"), "limit");
    assert_string_equal(original(value, "name", 0), "can't be blank");
    assert_string_equal(original(value, "name", 1), "twice");
    assert_string_equal(original(value, "topic", 0), "is invalid");
    json_decref(value);
}

static void test_codes(void **state)
{
    (void)state;
    static const struct {
        int code;
        const char *field;
        int status;
        const char *name;
        unsigned retry_after;
        const char *said;
    } cases[] = {
        {ERR_INVALID, "target", 400, "invalid", 0, "is invalid"},
        {ERR_NOT_FOUND, "topic", 400, "invalid", 0, "is invalid"},
        {ERR_NOT_FOUND, NULL, 404, "not_found", 0, NULL},
        {ERR_EXISTS, "name", 409, "exists", 0, "has already been taken"},
        {ERR_BUSY, NULL, 429, "busy", 1, NULL},
        {ERR_UNAVAILABLE, NULL, 503, "unavailable", 1, NULL},
        {ERR_NOT_LEADER, NULL, 503, "unavailable", 1, NULL},
        {ERR_UNKNOWN_OUTCOME, NULL, 504, "unknown_outcome", 0, NULL},
        {ERR_NO_SPACE, NULL, 507, "store_full", 0, NULL},
        {ERR_TOO_LARGE, NULL, 413, "too_large", 0, NULL},
        {ERR_NOT_BUILT, "filter", 501, "not_built", 0,
         "is not built yet in this version"},
        {ERR_CORRUPT, NULL, 500, "internal", 0, NULL},
        {ERR_IO, NULL, 500, "internal", 0, NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct problem problem = {0};
        problem_from_code(&problem, cases[i].code, cases[i].field, NULL);
        assert_int_equal(problem.status, cases[i].status);
        assert_int_equal(problem.retry_after, cases[i].retry_after);
        json_t *value = written(&problem);
        assert_string_equal(text(value, "code"), cases[i].name);
        if (cases[i].field != NULL)
            assert_string_equal(original(value, cases[i].field, 0),
                                cases[i].said);
        else
            assert_string_equal(original(value, "detail", 0),
                                text(value, "detail"));
        json_decref(value);
    }
}

static void test_wrong_outweighs_unbuilt(void **state)
{
    (void)state;
    struct problem problem = {0};
    problem_field(&problem, "topic", PROBLEM_BLANK);
    problem_not_built(&problem, "filter");
    assert_int_equal(problem.status, 400);
    assert_int_equal(problem.error_count, 1);
    problem = (struct problem){0};
    problem_not_built(&problem, "filter");
    problem_not_built(&problem, "headers");
    assert_int_equal(problem.status, 501);
    assert_int_equal(problem.error_count, 2);
}

static void test_many_errors_are_bounded(void **state)
{
    (void)state;
    struct problem problem = {0};
    for (int i = 0; i < 10 * PROBLEM_ERRORS_MAX; i++)
        problem_element(&problem, "attributes", slice_text("x"), "bad");
    assert_int_equal(problem.error_count, PROBLEM_ERRORS_MAX);
    json_decref(written(&problem));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fields),
        cmocka_unit_test(test_codes),
        cmocka_unit_test(test_wrong_outweighs_unbuilt),
        cmocka_unit_test(test_many_errors_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
