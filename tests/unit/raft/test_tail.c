/* The tail and the positions against naive models of the same. */
#include "raft/positions.h"
#include "raft/tail.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

enum { MODEL_MAX = 4096, STEPS = 20000 };

static uint64_t random_state;

static uint64_t random_below(uint64_t limit)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (random_state >> 11) % limit;
}

static struct entry make_entry(uint64_t index, uint64_t term, size_t length)
{
    struct buffer *buffer = buffer_new(length);
    assert_non_null(buffer);
    buffer->length = length;
    return (struct entry){.index = index,
                          .term = term,
                          .type = ENTRY_COMMAND,
                          .payload = buffer_slice(buffer),
                          .buffer = buffer};
}

struct model {
    uint64_t base;
    uint64_t last;
    uint64_t terms[MODEL_MAX];
    size_t lengths[MODEL_MAX];
};

static void check_tail(const struct tail *tail, const struct model *model)
{
    size_t bytes = 0;
    assert_int_equal(tail->last_index, model->last);
    for (uint64_t index = model->base; index <= model->last; index++)
        assert_int_equal(tail_term(tail, index), model->terms[index]);
    assert_int_equal(tail_term(tail, model->last + 1), 0);
    if (model->base > 0)
        assert_int_equal(tail_term(tail, model->base - 1), 0);
    bool held = false;
    for (uint64_t index = model->base + 1; index <= model->last; index++) {
        const struct entry *entry = tail_find(tail, index);
        assert_true(!held || entry != NULL); /* No hole. */
        held = held || entry != NULL;
        if (entry == NULL)
            continue;
        assert_int_equal(entry->index, index);
        assert_int_equal(entry->term, model->terms[index]);
        assert_int_equal(entry->payload.length, model->lengths[index]);
        bytes += sizeof *entry + entry->payload.length;
    }
    assert_int_equal(tail->bytes, bytes);
}

static void test_the_tail_equals_its_model(void **state)
{
    (void)state;
    static struct model model;
    struct tail tail;
    random_state = 7;
    print_message("seed 7\n");
    tail_init(&tail, 5, 1, 20000);
    model = (struct model){.base = 5, .last = 5};
    model.terms[5] = 1;
    while (model.last < 9) {
        model.terms[++model.last] = 1;
        tail_skip(&tail, 1);
    }
    for (unsigned step = 0; step < STEPS && model.last + 2 < MODEL_MAX;
         step++) {
        uint64_t choice = random_below(20);
        if (choice < 14) {
            uint64_t index = ++model.last;
            model.terms[index] =
                model.terms[index - 1] + (random_below(10) == 0);
            model.lengths[index] = (size_t)random_below(500);
            struct entry entry =
                make_entry(index, model.terms[index], model.lengths[index]);
            tail_append(&tail, &entry);
        } else if (choice < 16) {
            uint64_t back = random_below(8);
            if (model.last > model.base + back) {
                model.last -= back;
                tail_truncate(&tail, model.last + 1);
            }
        } else if (choice < 19) {
            tail_evict(&tail, model.last - random_below(3));
        } else if (random_below(5) == 0) {
            model.base += random_below(model.last - model.base + 1);
            tail_forget(&tail, model.base);
        }
        check_tail(&tail, &model);
    }
    tail_close(&tail);
}

static void test_only_durable_payloads_are_let_go(void **state)
{
    (void)state;
    struct tail tail;
    tail_init(&tail, 0, 0, 1000);
    for (uint64_t index = 1; index <= 10; index++) {
        struct entry entry = make_entry(index, 1, 400);
        tail_append(&tail, &entry);
    }
    tail_evict(&tail, 4);
    assert_null(tail_find(&tail, 4));
    assert_non_null(tail_find(&tail, 5));
    tail_evict(&tail, 10);
    assert_true(tail.bytes <= 1000);
    assert_non_null(tail_find(&tail, 10));
    tail_close(&tail);
}

static struct position place(uint64_t segment, uint64_t term)
{
    return (struct position){
        .segment = segment, .term = term, .type = ENTRY_COMMAND};
}

static void add_segment(struct positions *positions, uint64_t number,
                        uint64_t base, uint64_t term)
{
    positions_add_segment(positions, number,
                          (struct log_base){.index = base, .term = term});
}

static void put_range(struct positions *positions, uint64_t segment,
                      uint64_t from, uint64_t to, uint64_t term)
{
    struct position position = place(segment, term);
    for (uint64_t index = from; index <= to; index++)
        positions_put(positions, index, &position);
}

/* Segments 1..5 of ten entries; a whole one stays before the durable one. */
static void test_a_margin_stays_behind_the_durable_index(void **state)
{
    (void)state;
    struct positions positions = {0};
    for (uint64_t i = 0; i < 5; i++) {
        add_segment(&positions, 1 + i, 10 * i, i);
        put_range(&positions, 1 + i, 10 * i + 1, 10 * i + 10, i + 1);
    }
    assert_null(positions_plan(&positions, 10));
    assert_null(positions_plan(&positions, 20));
    assert_int_equal(positions_plan(&positions, 21)->number, 2);
    assert_int_equal(positions_plan(&positions, 45)->number, 4);
    assert_null(positions_plan(&positions, 51));
    positions_drop(&positions, 4);
    assert_int_equal(positions.base_index, 30);
    assert_int_equal(positions_term(&positions, 30), 3);
    assert_int_equal(positions_term(&positions, 31), 4);
    assert_int_equal(positions_term(&positions, 29), 0);
    assert_null(positions_find(&positions, 30));
    assert_int_equal(positions_last(&positions), 50);
    positions_close(&positions);
}

/* An entry in segment 4 has cut what segments 2 and 3 began with. */
static void test_a_base_that_was_cut_never_becomes_the_first(void **state)
{
    (void)state;
    struct positions positions = {0};
    for (uint64_t i = 0; i < 4; i++) {
        add_segment(&positions, 1 + i, 10 * i, 1);
        put_range(&positions, 1 + i, 10 * i + 1, 10 * i + 10, 1);
    }
    put_range(&positions, 4, 5, 20, 2);
    assert_int_equal(positions_last(&positions), 20);
    add_segment(&positions, 5, 20, 2);
    put_range(&positions, 5, 21, 30, 2);
    add_segment(&positions, 6, 30, 2);
    put_range(&positions, 6, 31, 40, 2);
    assert_null(positions_plan(&positions, 20));
    assert_null(positions_plan(&positions, 30));
    assert_int_equal(positions_plan(&positions, 31)->number, 5);
    positions_close(&positions);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_tail_equals_its_model),
        cmocka_unit_test(test_only_durable_payloads_are_let_go),
        cmocka_unit_test(test_a_margin_stays_behind_the_durable_index),
        cmocka_unit_test(test_a_base_that_was_cut_never_becomes_the_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
