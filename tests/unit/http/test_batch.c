/* A batch: each line an outcome of its own, through the real server. */
#include "http_client.h"

#include "base/bounds.h"
#include "base/public_id.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <unistd.h>

#include <cmocka.h>

static struct house house;
static char *last;

static int open_house(void **state)
{
    (void)state;
    house_open(&house, NULL);
    return 0;
}

static int close_house(void **state)
{
    (void)state;
    free(last);
    last = NULL;
    house_close(&house, 0);
    return 0;
}

static void send_batch(const char *headers, const char *body, int status)
{
    char head[512];
    int client = client_connect(&house);
    int length = snprintf(head, sizeof head,
                          "POST /api/messages/batch HTTP/1.1\r\nHost: h\r\n"
                          "%sContent-Length: %zu\r\n\r\n",
                          headers, strlen(body));
    assert_true(client_send(&house, client, head, (size_t)length));
    assert_true(client_send(&house, client, body, strlen(body)));
    free(last);
    last = client_answer(&house, client, false);
    close(client);
    assert_non_null(last);
    assert_int_equal(answer_status(last), status);
}

static void expect_log(const char *wanted)
{
    assert_string_equal(house.fake.log, wanted);
    house.fake.log[0] = '\0';
}

/* The answer told line by line: an id, or the status and pointer of an error.
 */
static void expect_lines(const char *wanted)
{
    char told[512] = "";
    const char *line = answer_body(last);
    for (const char *end; (end = strchr(line, '\n')) != NULL; line = end + 1) {
        json_t *json = json_loadb(line, (size_t)(end - line), 0, NULL);
        json_t *error = json_object_get(json, "error");
        assert_non_null(json);
        size_t length = strlen(told);
        if (error == NULL)
            snprintf(told + length, sizeof told - length, "%lld ",
                     json_integer_value(json_object_get(json, "id")));
        else
            snprintf(told + length, sizeof told - length, "%lld%s ",
                     json_integer_value(json_object_get(error, "status")),
                     json_string_value(json_object_get(
                         json_array_get(json_object_get(error, "errors"), 0),
                         "pointer"))
                         ?: "");
        json_decref(json);
    }
    assert_string_equal(line, "");
    assert_string_equal(told, wanted);
}

static void expect_header(const char *line)
{
    assert_non_null(strcasestr(last, line));
}

#define NDJSON "Content-Type: application/x-ndjson\r\n"
#define LINE(topic) "{\"topic\":\"" topic "\",\"payload\":1,\"attributes\":{}}"

static void test_lines(void **state)
{
    char wanted[128], public_id[PUBLIC_ID_SIZE];
    (void)state;
    send_batch(NDJSON, LINE("a") "\n", 200);
    public_id_format(public_id, 0x1122334455667788u, 42);
    snprintf(wanted, sizeof wanted, "{\"id\":42,\"public_id\":\"%s\"}\n",
             public_id);
    assert_string_equal(answer_body(last), wanted);
    expect_header("\r\ncontent-type: application/x-ndjson\r\n");
    expect_log("line a [1] 0 key  at 0 once \n");
    /* Of several topics, with their own keys and times; the last line needs no
     * end, and what is blank does not count. */
    send_batch("Content-Type: Application/X-NDJSON; charset=utf-8\r\n",
               "\r\n \n{\"topic\":\"a\",\"payload\":[ ],"
               "\"attributes\":{\"x\":\"y\"},\"key\":\"k\"}\r\n\n"
               "{\"topic\":\"b\",\"payload\":null,\"attributes\":{},"
               "\"schedule_at\":\"2100-01-01T00:00:00Z\"}",
               200);
    expect_lines("43 44 ");
    expect_log("line a [[ ]] 6 key k at 0 once \n"
               "line b [null] 0 key  at 4102444800000 once \n");
    send_batch("traceparent: 00-0af7651916cd43dd8448eb211c80319c-"
               "b7ad6b7169203331-01\r\n",
               LINE("a"), 200);
    expect_log("line a [1] 0 key  at 0 once \n"
               "of trace 00-0af7651916cd43dd8448eb211c80319c-"
               "b7ad6b7169203331-01\n");
    /* Nothing at all. */
    send_batch("", "", 200);
    send_batch(NDJSON, "\n\n \t\r\n", 200);
    expect_lines("");
    expect_log("");
}

static void test_refused_lines(void **state)
{
    (void)state;
    send_batch(NDJSON,
               LINE("a") "\n"
                         "{\"topic\":\"a\"\n"
                         "{\"topic\":\"a b\",\"payload\":1,\"attributes\":{}}\n"
                         "{\"topic\":\"a\",\"payload\":1,\"attributes\":{},"
                         "\"more\":1}\n" LINE("none") "\n" LINE(
                             "lost") "\n" LINE("b") "\n[]\n",
               200);
    expect_lines("42 400 400/topic 400/more 400/topic 504 43 400 ");
    expect_log("line a [1] 0 key  at 0 once \n"
               "line none [1] 0 key  at 0 once \n"
               "line lost [1] 0 key  at 0 once \n"
               "line b [1] 0 key  at 0 once \n");
    /* Only such lines: the backend is not asked. */
    send_batch(NDJSON, "7\n\"\n{}\n", 200);
    expect_lines("400 400 400/topic ");
    expect_log("");
    /* A NUL is not white space. */
    send_batch(NDJSON, "\x01\n", 200);
    expect_lines("400 ");
}

static void test_large_line(void **state)
{
    (void)state;
    static char body[128 * 1024];
    size_t wide = 64 * 1024;
    char *end =
        stpcpy(body, "{\"topic\":\"a\",\"attributes\":{},\"payload\":\"");
    memset(end, 'x', wide);
    strcpy(end + wide, "\"}\n" LINE("a"));
    send_batch(NDJSON, body, 200);
    expect_lines("413 42 ");
}

static void test_keys(void **state)
{
    (void)state;
    send_batch(NDJSON "Idempotency-Key: k\r\n",
               LINE("a") "\n\n{}\n" LINE("used"), 200);
    /* The line that cannot be read keeps its number. */
    expect_lines("42 400/topic 422 ");
    expect_log("line a [1] 0 key  at 0 once k:1\n"
               "line used [1] 0 key  at 0 once k:3\n");
    assert_null(strcasestr(last, "idempotent-replayed"));
    house.fake.replayed = true;
    send_batch(NDJSON "Idempotency-Key: k\r\n", LINE("a") "\n{}", 200);
    expect_header("\r\nidempotent-replayed: true\r\n");
    send_batch(NDJSON "Idempotency-Key: k k\r\n", LINE("a"), 400);
    expect_header("\"header\":\"Idempotency-Key\"");
}

static void test_whole_refused(void **state)
{
    (void)state;
    send_batch("Content-Type: application/json\r\n", LINE("a"), 415);
    send_batch("Content-Type: application/x-ndjson2\r\n", LINE("a"), 415);
    house.fake.code = ERR_NO_SPACE;
    send_batch(NDJSON, LINE("a"), 507);
    house.fake.code = ERR_BUSY;
    send_batch(NDJSON, LINE("a"), 429);
    expect_header("\r\nretry-after: 1\r\n");
}

static void test_too_many_lines(void **state)
{
    (void)state;
    char *body = malloc(3 * (BOUND_BATCH_LINES + 1) + 1);
    char *end = body;
    for (int i = 0; i < BOUND_BATCH_LINES; i++)
        end = stpcpy(end, "1\n\n");
    send_batch(NDJSON, body, 200);
    stpcpy(end, "1");
    send_batch(NDJSON, body, 413);
    free(body);
    expect_log("");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_lines, open_house, close_house),
        cmocka_unit_test_setup_teardown(test_refused_lines, open_house,
                                        close_house),
        cmocka_unit_test_setup_teardown(test_large_line, open_house,
                                        close_house),
        cmocka_unit_test_setup_teardown(test_keys, open_house, close_house),
        cmocka_unit_test_setup_teardown(test_whole_refused, open_house,
                                        close_house),
        cmocka_unit_test_setup_teardown(test_too_many_lines, open_house,
                                        close_house),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
