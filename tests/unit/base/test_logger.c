/* Lines of the log: whatever is put into them, a JSON line is one JSON object
 * with what belongs to it, and what repeats without end is counted. */
#include "base/log_limit.h"
#include "base/logger.h"

#include <fcntl.h>
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char path[] = "/tmp/postoffice-log-XXXXXX";
static int standard_error = -1;

/* Standard error becomes a file, as under a supervisor. */
static void capture(void)
{
    memcpy(path + sizeof path - 7, "XXXXXX", 6);
    int file = mkstemp(path);
    assert_true(file >= 0);
    standard_error = dup(STDERR_FILENO);
    dup2(file, STDERR_FILENO);
    close(file);
}

static char *captured(void)
{
    char *text = calloc(1, 1 << 20);
    dup2(standard_error, STDERR_FILENO);
    close(standard_error);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    assert_true(fread(text, 1, (1 << 20) - 1, file) < 1 << 20);
    fclose(file);
    unlink(path);
    return text;
}

/* The one line, parsed; to be released. */
static json_t *line_of(char *text)
{
    json_error_t error;
    char *end = strchr(text, '\n');
    assert_non_null(end);
    assert_string_equal(end, "\n");
    json_t *line = json_loads(text, JSON_REJECT_DUPLICATES, &error);
    if (line == NULL)
        fail_msg("%s: %s", error.text, text);
    free(text);
    return line;
}

static void test_hostile_values(void **state)
{
    (void)state;
    static const char *const values[] = {"",
                                         "plain",
                                         "two\nlines\",\"level\":\"error",
                                         "\xff\xfe",
                                         "cut \xe2\x82",
                                         "\x01\x7f\\",
                                         "\xed\xa0\x80",
                                         "gr\xc3\xbc\xc3\x9f"};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        capture();
        logger_setup(LOGGER_INFO, LOGGER_JSON);
        LOG_INFO("test", "hostile", FIELD_TEXT("value", values[i]),
                 FIELD_U64("behind", 7));
        json_t *line = line_of(captured());
        assert_string_equal(json_string_value(json_object_get(line, "level")),
                            "info");
        assert_true(json_is_string(json_object_get(line, "value")));
        assert_int_equal(json_integer_value(json_object_get(line, "behind")),
                         7);
        json_decref(line);
    }
}

static void test_what_is_too_long_is_left_out(void **state)
{
    (void)state;
    char *long_value = malloc(10000);
    memset(long_value, 'x', 9999);
    long_value[9999] = '\0';
    capture();
    logger_setup(LOGGER_INFO, LOGGER_JSON);
    LOG_INFO("test", "long", FIELD_TEXT("value", long_value),
             FIELD_U64("behind", 7));
    json_t *line = line_of(captured());
    assert_null(json_object_get(line, "value"));
    assert_int_equal(json_integer_value(json_object_get(line, "behind")), 7);
    json_decref(line);
    free(long_value);
}

static unsigned count_lines(const char *text)
{
    unsigned lines = 0;
    for (; *text != '\0'; text++)
        lines += *text == '\n';
    return lines;
}

static void test_a_flood_is_cut(void **state)
{
    (void)state;
    struct logger_figures before = logger_figures();
    capture();
    logger_setup(LOGGER_INFO, LOGGER_JSON);
    for (int i = 0; i < LOG_LIMIT_LINES + 50; i++)
        LOG_WARN("test", "again and again");
    LOG_WARN("test", "something else");
    char *text = captured();
    assert_int_equal(count_lines(text), LOG_LIMIT_LINES + 1);
    assert_non_null(strstr(text, "something else"));
    free(text);
    struct logger_figures after = logger_figures();
    assert_int_equal(after.silenced - before.silenced, 50);
    assert_int_equal(after.lines[LOGGER_WARN] - before.lines[LOGGER_WARN],
                     LOG_LIMIT_LINES + 1);
}

static void test_who_debugs_sees_all(void **state)
{
    (void)state;
    capture();
    logger_setup(LOGGER_DEBUG, LOGGER_TEXT);
    for (int i = 0; i < LOG_LIMIT_LINES + 50; i++)
        LOG_WARN("test", "again, but all");
    char *text = captured();
    assert_int_equal(count_lines(text), LOG_LIMIT_LINES + 50);
    free(text);
}

static void test_the_window(void **state)
{
    (void)state;
    static struct log_limit limit;
    static const char a[] = "a", b[] = "b";
    uint64_t silenced;
    for (int i = 0; i < LOG_LIMIT_LINES; i++)
        assert_true(log_limit_allows(&limit, a, 1000, &silenced));
    assert_false(log_limit_allows(&limit, a, 1000, &silenced));
    assert_false(
        log_limit_allows(&limit, a, 1000 + LOG_LIMIT_WINDOW_MS - 1, &silenced));
    assert_true(log_limit_allows(&limit, b, 1000, &silenced));
    assert_int_equal(silenced, 0);
    assert_true(
        log_limit_allows(&limit, a, 1000 + LOG_LIMIT_WINDOW_MS, &silenced));
    assert_int_equal(silenced, 2);
    assert_true(
        log_limit_allows(&limit, a, 1000 + LOG_LIMIT_WINDOW_MS, &silenced));
    assert_int_equal(silenced, 0);
}

/* More sentences than there is room for: none is lost. */
static void test_a_full_table(void **state)
{
    (void)state;
    static struct log_limit limit;
    static const char text[8 * (LOG_LIMIT_SENTENCES + 1)];
    uint64_t silenced;
    for (int i = 0; i <= LOG_LIMIT_SENTENCES; i++)
        assert_true(log_limit_allows(&limit, text + 8 * i, 1, &silenced));
}

/* A file that was moved away is begun anew at its old name. */
static void test_reopen(void **state)
{
    (void)state;
    char moved[sizeof path + 2];
    struct stat status;
    capture();
    logger_setup(LOGGER_INFO, LOGGER_TEXT);
    LOG_INFO("test", "before");
    snprintf(moved, sizeof moved, "%s.1", path);
    assert_int_equal(rename(path, moved), 0);
    LOG_INFO("test", "still the old one");
    struct error error;
    assert_int_equal(logger_reopen(&error), 0);
    LOG_INFO("test", "after");
    char *text = captured();
    assert_int_equal(count_lines(text), 1);
    assert_non_null(strstr(text, "after"));
    free(text);
    assert_int_equal(stat(moved, &status), 0);
    assert_true(status.st_size > 0);
    unlink(moved);
}

static void test_nothing_to_reopen(void **state)
{
    (void)state;
    int ends[2];
    struct error error;
    standard_error = dup(STDERR_FILENO);
    assert_int_equal(pipe(ends), 0);
    dup2(ends[1], STDERR_FILENO);
    logger_setup(LOGGER_INFO, LOGGER_TEXT);
    int rc = logger_reopen(&error);
    dup2(standard_error, STDERR_FILENO);
    assert_int_equal(rc, 0);
    close(ends[0]);
    close(ends[1]);
    close(standard_error);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hostile_values),
        cmocka_unit_test(test_what_is_too_long_is_left_out),
        cmocka_unit_test(test_a_flood_is_cut),
        cmocka_unit_test(test_who_debugs_sees_all),
        cmocka_unit_test(test_the_window),
        cmocka_unit_test(test_a_full_table),
        cmocka_unit_test(test_reopen),
        cmocka_unit_test(test_nothing_to_reopen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
