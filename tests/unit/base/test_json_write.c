/* What the writer writes is JSON, whatever it is given; jansson reads it
 * back. */
#include "base/json_write.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void expect(const struct encoder *out, const char *text)
{
    if (!slice_is(encoder_slice(out), text))
        fail_msg("%.*s\nis not %s", (int)out->length, out->data, text);
}

static void test_members_and_commas(void **state)
{
    (void)state;
    struct encoder out = {0};
    struct json_writer json = json_writer_of(&out);
    json_write_begin(&json, '{');
    json_member_u64(&json, "id", UINT64_MAX);
    json_member_text(&json, "name", slice_text("a\"b"));
    json_write_name(&json, "list");
    json_write_begin(&json, '[');
    json_write_begin(&json, '{');
    json_write_end(&json, '}');
    json_write_number(&json, 0);
    json_write_raw(&json, slice_text("1e400"));
    json_write_end(&json, ']');
    json_member_boolean(&json, "yes", true);
    json_member_null(&json, "none");
    json_member_text_or_null(&json, "empty", slice_text(""));
    json_member_u64_or_null(&json, "zero", 0);
    json_member_string(&json, "null", NULL);
    json_write_name_slice(&json, slice_text("\n"));
    json_write_boolean(&json, false);
    json_write_end(&json, '}');
    expect(&out, "{\"id\":18446744073709551615,\"name\":\"a\\\"b\","
                 "\"list\":[{},0,1e400],\"yes\":true,\"none\":null,"
                 "\"empty\":null,\"zero\":null,\"null\":null,\"\\n\":false}");
    encoder_close(&out);
}

static void test_times(void **state)
{
    (void)state;
    struct encoder out = {0};
    struct json_writer json = json_writer_of(&out);
    json_write_begin(&json, '[');
    json_write_time(&json, 0);
    json_write_time(&json, 1);
    json_write_time(&json, 1709164799999);
    json_write_time(&json, 253402300799000);
    json_write_end(&json, ']');
    expect(&out, "[null,\"1970-01-01T00:00:00.001Z\","
                 "\"2024-02-28T23:59:59.999Z\",\"9999-12-31T23:59:59.000Z\"]");
    encoder_close(&out);
}

static void test_bad_utf8_is_replaced(void **state)
{
    (void)state;
    struct encoder out = {0};
    struct json_writer json = json_writer_of(&out);
    json_write_text(&json, slice_text("a\xff"
                                      "b\xe2\x82"
                                      "c\xed\xa0\x80\x01"));
    expect(&out, "\"a\xef\xbf\xbd"
                 "b\xef\xbf\xbd\xef\xbf\xbd"
                 "c\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\\u0001\"");
    encoder_close(&out);
}

static void test_random_bytes_are_json(void **state)
{
    (void)state;
    uint64_t seed = 4711;
    print_message("SEED=%llu\n", (unsigned long long)seed);
    for (int round = 0; round < 20000; round++) {
        uint8_t bytes[24];
        for (size_t i = 0; i < sizeof bytes; i++) {
            seed = seed * 6364136223846793005u + 1442695040888963407u;
            /* Half of them plain, so that there are runs. */
            bytes[i] = (uint8_t)(seed >> 40) & (seed >> 63 ? 0xff : 0x7f);
        }
        struct encoder out = {0};
        struct json_writer json = json_writer_of(&out);
        json_write_text(&json, slice_of(bytes, (size_t)(round % 25)));
        json_t *value = json_loadb((const char *)out.data, out.length,
                                   JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
        assert_true(json_is_string(value));
        json_decref(value);
        encoder_close(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_members_and_commas),
        cmocka_unit_test(test_times),
        cmocka_unit_test(test_bad_utf8_is_replaced),
        cmocka_unit_test(test_random_bytes_are_json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
