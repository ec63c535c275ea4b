/* What is told of which command. */
#include "base/memory.h"
#include "src/news/news.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static struct catalog *catalog;
static struct news *news;
static struct encoder entry;
static char told[4096];

static void on_told(void *context, const struct backend_event *event)
{
    static const char *const types[] = {"topic", "publisher", "circuit",
                                        "dead",  "leader",    "stats"};
    size_t length = strlen(told);
    (void)context;
    if (event->type == EVENT_STATS)
        return;
    snprintf(told + length, sizeof told - length,
             "%s %u %.*s %s %llu/%llu term %llu\n", types[event->type],
             event->id, (int)event->topic.length, event->topic.data,
             event->action == NULL ? "" : event->action,
             (unsigned long long)event->dead,
             (unsigned long long)event->ambiguous,
             (unsigned long long)event->term);
}

/* The command in `entry` was applied, as a node tells of it. */
static void apply(int code, uint64_t id, uint32_t count)
{
    struct command_result result = {.code = code, .id = id, .count = count};
    struct slice rest = encoder_slice(&entry);
    struct command command;
    assert_int_equal(command_next(&rest, &command), 0);
    news_applied(news, &command, &result);
    catalog_apply(catalog, &command, &result);
    entry.length = 0;
}

static void expect(const char *wanted)
{
    assert_string_equal(told, wanted);
    told[0] = '\0';
}

static void make_topic(int code)
{
    command_topic_create_encode(
        &entry, 1000,
        &(struct topic_options){.name = slice_text("orders"),
                                .origin_host = slice_text("h")});
    apply(code, 1, 0);
}

static void make_publisher(void)
{
    command_publisher_create_encode(
        &entry, 1000,
        &(struct command_publisher_create){
            .topic_id = 1,
            .options = {.target = slice_text("http://h/"),
                        .type = PUBLISHER_HTTP}});
    apply(0, 7, 0);
}

static int open_news(void **state)
{
    (void)state;
    catalog = catalog_new();
    news = news_new(catalog, 1000);
    news_attach(news, on_told, NULL);
    told[0] = '\0';
    return 0;
}

static int close_news(void **state)
{
    (void)state;
    news_free(news);
    catalog_free(catalog);
    encoder_close(&entry);
    return 0;
}

static void test_topics_and_publishers(void **state)
{
    (void)state;
    make_topic(ERR_EXISTS);
    expect("");
    make_topic(0);
    expect("topic 1 orders created 0/0 term 0\n");
    make_publisher();
    expect("publisher 7 orders created 0/0 term 0\n");
    command_pause_encode(&entry, 1000,
                         &(struct command_pause){.publisher_id = 7,
                                                 .paused = true,
                                                 .reason = slice_text("x")});
    apply(0, 0, 0);
    command_pause_encode(&entry, 1000,
                         &(struct command_pause){.publisher_id = 7});
    apply(0, 0, 0);
    expect("publisher 7 orders paused 0/0 term 0\n"
           "publisher 7 orders resumed 0/0 term 0\n");
    /* Both still have their names when they go. */
    command_publisher_delete_encode(&entry, 1000, 7);
    apply(0, 0, 0);
    command_topic_delete_encode(&entry, 1000,
                                &(struct command_topic_delete){.topic_id = 1});
    apply(0, 0, 0);
    expect("publisher 7 orders deleted 0/0 term 0\n"
           "topic 1 orders deleted 0/0 term 0\n");
}

static void move_circuit(enum circuit_state circuit, uint64_t throttled_ms)
{
    command_circuit_encode(
        &entry, 1000,
        &(struct command_circuit){.publisher_id = 7,
                                  .circuit = {.state = circuit},
                                  .throttled_until_ms = throttled_ms});
    apply(0, 0, 0);
}

static void test_circuits(void **state)
{
    (void)state;
    make_topic(0);
    make_publisher();
    told[0] = '\0';
    move_circuit(CIRCUIT_OPEN, 0);
    move_circuit(CIRCUIT_RAMPING, 0);
    move_circuit(CIRCUIT_CLOSED, 0);
    move_circuit(CIRCUIT_CLOSED, 2000);
    expect("circuit 7 orders open 0/0 term 0\n"
           "circuit 7 orders ramping 0/0 term 0\n"
           "circuit 7 orders closed 0/0 term 0\n"
           "circuit 7 orders throttled 0/0 term 0\n");
}

static void settle(enum delivery_state first, enum delivery_state second)
{
    const struct outcome outcomes[] = {
        {.position = 1, .state = first, .attempt = {.number = 1}},
        {.position = 2, .state = second, .attempt = {.number = 1}}};
    command_outcomes_encode(&entry, 1000,
                            &(struct command_outcomes){.publisher_id = 7,
                                                       .count = 2,
                                                       .outcomes = outcomes});
    apply(0, 0, 0);
}

static struct backend_point last_second(void)
{
    struct backend_stats stats = {0};
    series_read(news_series(news), 1, &stats);
    return stats.parts[0].points[stats.parts[0].count - 1];
}

/* However many there were, they are told once a tick. */
static void test_dead_letters_gather(void **state)
{
    (void)state;
    make_topic(0);
    make_publisher();
    told[0] = '\0';
    settle(DELIVERY_DELIVERED, DELIVERY_RETRYING);
    settle(DELIVERY_DEAD, DELIVERY_DEAD);
    settle(DELIVERY_DEAD, DELIVERY_AMBIGUOUS);
    expect("");
    news_tick(news, 2000, 4, 0, 0);
    expect("dead 7 orders  3/1 term 0\n");
    assert_int_equal(last_second().delivered, 1);
    assert_int_equal(last_second().failed, 5);
    assert_int_equal(last_second().dead, 4);
    assert_int_equal(last_second().backlog, 4);
    news_tick(news, 3000, 4, 0, 0);
    expect("");
}

static void test_messages_and_leaders(void **state)
{
    (void)state;
    news_tick(news, 1000, 0, 2, 5);
    expect("leader 2   0/0 term 5\n");
    news_tick(news, 2000, 0, 2, 5);
    expect("");
    news_tick(news, 3000, 0, 0, 6);
    expect("leader 0   0/0 term 6\n");
    size_t begun = command_messages_begin(&entry, 1000, 0);
    command_end(&entry, begun);
    apply(0, 1, 5);
    begun = command_messages_begin(&entry, 1000, 0);
    command_end(&entry, begun);
    apply(ERR_EXISTS, 1, 5); /* A replay published nothing. */
    news_tick(news, 4000, 0, 0, 6);
    assert_int_equal(last_second().published, 5);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_news, close_news)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_topics_and_publishers),
        TEST(test_circuits),
        TEST(test_dead_letters_gather),
        TEST(test_messages_and_leaders),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
