/* The small rules without I/O: targets, framing, query strings, patience,
 * tickets. */
#include "base/bounds.h"
#include "http/framing.h"
#include "http/patience.h"
#include "http/query_string.h"
#include "http/target.h"
#include "http/ticket.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static void test_targets(void **state)
{
    (void)state;
    static const char *const good[] = {
        "http://h",         "HTTP://Host.example:8080/a?b=c&d#e",
        "https://1.2.3.4/", "http://[::1]:80/x",
        "http://[fe80::1]", "http://a_b.svc.cluster.local./",
        "http://h:/",       "http://h?x=@",
        "http://h/a@b",     "http://h/%20"};
    static const char *const bad[] = {"",
                                      "h",
                                      "//h/",
                                      "http:/h",
                                      "http://",
                                      "http:///a",
                                      "http://:80/",
                                      "ftp://h/",
                                      "file:///etc/passwd",
                                      "http://user@h/",
                                      "http://user:pass@h/",
                                      "http://h:0/",
                                      "http://h:65536/",
                                      "http://h:80a/",
                                      "http://h /",
                                      "http://h/a b",
                                      "http://h/\x01",
                                      "http://h/\xc3\xa9",
                                      "http://h\\@x/",
                                      "http://[::1/",
                                      "http://[]/",
                                      "http://[::1]x/",
                                      "http://[1.2.3.4]/",
                                      "http://a..b/",
                                      "http://.a/",
                                      "http://-a/",
                                      " http://h/",
                                      "http://h/\r\nx: y",
                                      "http://h%2f/"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        if (!target_is_valid(slice_text(good[i])))
            fail_msg("refused: %s", good[i]);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (target_is_valid(slice_text(bad[i])))
            fail_msg("accepted: %s", bad[i]);
    char text[BOUND_TARGET + 2];
    for (int length = BOUND_TARGET; length <= BOUND_TARGET + 1; length++) {
        snprintf(text, sizeof text, "http://h/%0*d", length - 9, 0);
        assert_int_equal(target_is_valid(slice_text(text)),
                         length == BOUND_TARGET);
    }
}

static void test_framing(void **state)
{
    (void)state;
    static const struct {
        const char *raw;
        bool fine;
    } cases[] = {
        {"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\nx", true},
        {"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n", true},
        {"\r\nPOST / HTTP/1.1\r\ncontent-length: 0\r\n\r\n", true},
        /* The body is not the header's business. */
        {"POST / HTTP/1.1\r\ncontent-length: 60\r\n\r\n"
         "content-length: 1\ntransfer-encoding: chunked\n host: x",
         true},
        {"POST / HTTP/1.1\r\ncontent-length: 1\r\n"
         "Transfer-Encoding: chunked\r\n\r\n",
         false},
        {"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n"
         "Content-Length: 1\r\n\r\n",
         false},
        {"POST / HTTP/1.1\ncontent-length: 1\ncontent-length: 1\n\n", false},
        {"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n"
         "transfer-encoding: identity\r\n\r\n",
         false},
        {"POST / HTTP/1.0\r\ntransfer-encoding: chunked\r\n\r\n", false},
        {"POST / HTTP/1.0\r\ncontent-length: 1\r\n\r\n", true},
        {"POST / HTTP/1.1\r\nHost: a\r\nHOST: b\r\n\r\n", false},
        {"POST / HTTP/1.1\r\nx: a\r\n b\r\n\r\n", false},
        {"POST / HTTP/1.1\r\nx: a\r\n\tb\r\n\r\n", false},
        {"", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if ((framing_fault(slice_text(cases[i].raw)) == NULL) != cases[i].fine)
            fail_msg("case %zu", i);
}

static void check_query(const char *text, const char *known, int status,
                        const char *named)
{
    struct arena arena = {0};
    struct query_string query;
    struct problem problem = {0};
    query_string_parse(slice_text(text), known, &arena, &query, &problem);
    assert_int_equal(problem.status, status);
    if (named != NULL)
        assert_string_equal(problem.errors[0].field, named);
    arena_close(&arena);
}

static void test_queries(void **state)
{
    (void)state;
    check_query("", "", 0, NULL);
    check_query("&&", "", 0, NULL);
    check_query("a=1&b", "a,b", 0, NULL);
    check_query("%61=1", "a,b", 0, NULL);
    check_query("c=1", "a,b", 400, "c");
    check_query("a=1&a=1", "a,b", 400, "a");
    check_query("a=%4", "a", 400, "a");
    check_query("a=%zz", "a", 400, "a");
    check_query("%=1", "a", 400, NULL);
    check_query("a,b=1", "a,b", 400, "a,b");
    check_query("=1", "a", 400, "");
    struct arena arena = {0};
    struct query_string query;
    struct problem problem = {0};
    struct slice value;
    query_string_parse(slice_text("a=x+y%20z%26&b="), "a,b", &arena, &query,
                       &problem);
    assert_true(query_string_get(&query, "a", &value));
    assert_true(slice_is(value, "x y z&"));
    assert_true(query_string_get(&query, "b", &value));
    assert_int_equal(value.length, 0);
    assert_false(query_string_get(&query, "c", &value));
    arena_close(&arena);
}

static void test_pages(void **state)
{
    (void)state;
    char cursor[CURSOR_SIZE];
    cursor_format(cursor, 't', 4000000000u);
    static const struct {
        const char *text;
        int status;
        uint32_t limit;
    } cases[] = {
        {"", 0, 50},
        {"limit=1", 0, 1},
        {"limit=1000", 0, 1000},
        {"limit=0", 400, 0},
        {"limit=1001", 400, 0},
        {"limit=", 400, 0},
        {"limit=-1", 400, 0},
        {"limit=1e3", 400, 0},
        {"cursor=x", 400, 0},
        {"cursor=p0000000000000001", 400, 0},
        {"cursor=t000000000000000g", 400, 0},
        {"cursor=", 400, 0},
        {"cursor=t0000000100000000", 400, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct arena arena = {0};
        struct query_string query;
        struct problem problem = {0};
        uint64_t after;
        uint32_t limit;
        query_string_parse(slice_text(cases[i].text), "limit,cursor", &arena,
                           &query, &problem);
        query_string_page(&query, 't', UINT32_MAX, &after, &limit, &problem);
        assert_int_equal(problem.status, cases[i].status);
        if (problem.status == 0)
            assert_int_equal(limit, cases[i].limit);
        arena_close(&arena);
    }
    char text[64];
    snprintf(text, sizeof text, "cursor=%s", cursor);
    struct arena arena = {0};
    struct query_string query;
    struct problem problem = {0};
    uint64_t after;
    uint32_t limit;
    query_string_parse(slice_text(text), "cursor", &arena, &query, &problem);
    query_string_page(&query, 't', UINT32_MAX, &after, &limit, &problem);
    assert_int_equal(problem.status, 0);
    assert_int_equal(after, 4000000000u);
    arena_close(&arena);
}

static void test_patience(void **state)
{
    (void)state;
    const struct patience patience = {
        .idle_ms = 1000, .grace_ms = 500, .bytes_per_second = 1000};
    assert_false(patience_ends(&patience, IDLE, 100, 1099, 0));
    assert_true(patience_ends(&patience, IDLE, 100, 1100, 0));
    assert_false(patience_ends(&patience, WAITING, 0, UINT64_MAX, 0));
    assert_false(patience_ends(&patience, RECEIVING, 0, 499, 0));
    assert_true(patience_ends(&patience, RECEIVING, 0, 500, 0));
    /* Each byte that arrives buys time. */
    assert_false(patience_ends(&patience, RECEIVING, 0, 2499, 2000));
    assert_true(patience_ends(&patience, RECEIVING, 0, 2500, 2000));
    assert_true(patience_ends(&patience, SENDING, 0, 1500, 1000));
    assert_false(patience_ends(&patience, SENDING, 2000, 1500, 0));
}

/* A ticket that was voided never finds the next holder of its slot. */
static void test_tickets(void **state)
{
    (void)state;
    struct ticket_table table;
    int holders[3];
    ticket_table_init(&table, 2);
    uint64_t first = ticket_issue(&table, &holders[0]);
    uint64_t second = ticket_issue(&table, &holders[1]);
    assert_true(first != 0 && second != 0 && first != second);
    assert_true(ticket_issue(&table, &holders[2]) == 0);
    assert_ptr_equal(ticket_holder(&table, first), &holders[0]);
    ticket_void(&table, first);
    assert_null(ticket_holder(&table, first));
    ticket_void(&table, first);
    uint64_t third = ticket_issue(&table, &holders[2]);
    assert_true(third != 0 && third != first);
    assert_null(ticket_holder(&table, first));
    assert_ptr_equal(ticket_holder(&table, third), &holders[2]);
    assert_ptr_equal(ticket_holder(&table, second), &holders[1]);
    assert_null(ticket_holder(&table, 0));
    assert_null(ticket_holder(&table, UINT64_MAX));
    ticket_table_close(&table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_targets),  cmocka_unit_test(test_framing),
        cmocka_unit_test(test_queries),  cmocka_unit_test(test_pages),
        cmocka_unit_test(test_patience), cmocka_unit_test(test_tickets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
