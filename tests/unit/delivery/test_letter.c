/* A letter owns all that it tells: what it was made of may go. */
#include "src/delivery/letter.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

/* What a letter was made of, and what it must still say. */
#define TEXTS(message)                                                         \
    {                                                                          \
        &(message).key, &(message).traceparent, &(message).origin,             \
            &(message).attributes, &(message).payload                          \
    }
enum { TEXT_COUNT = 5, TEXT_SIZE = 64 };

static void test_nothing_is_borrowed(void **state)
{
    (void)state;
    struct message message = {.id = 42};
    struct slice *given[TEXT_COUNT] = TEXTS(message);
    uint8_t *memory[TEXT_COUNT];
    for (int i = 0; i < TEXT_COUNT; i++) {
        memory[i] = malloc(TEXT_SIZE);
        memset(memory[i], 'a' + i, TEXT_SIZE);
        *given[i] = slice_of(memory[i], TEXT_SIZE);
    }
    struct letter *letter = letter_new(7, &message);
    for (int i = 0; i < TEXT_COUNT; i++) {
        memset(memory[i], 0, TEXT_SIZE);
        free(memory[i]);
    }
    struct slice *kept[TEXT_COUNT] = TEXTS(letter->message);
    for (int i = 0; i < TEXT_COUNT; i++) {
        assert_int_equal(kept[i]->length, TEXT_SIZE);
        for (int j = 0; j < TEXT_SIZE; j++)
            assert_int_equal(kept[i]->data[j], 'a' + i);
    }
    assert_true(letter->size >= sizeof *letter + TEXT_COUNT * TEXT_SIZE);
    letter_unref(letter);
}

static void test_what_is_not_there(void **state)
{
    (void)state;
    struct message message = {.id = 42, .payload = slice_text("1")};
    struct letter *letter = letter_new(7, &message);
    assert_int_equal(letter->position, 7);
    assert_int_equal(letter->message.key.length, 0);
    assert_int_equal(letter->message.traceparent.length, 0);
    assert_true(slice_is(letter->message.payload, "1"));
    letter_unref(letter_ref(letter));
    letter_unref(letter);
    letter_unref(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_is_borrowed),
        cmocka_unit_test(test_what_is_not_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
