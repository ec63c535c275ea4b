/* Taking over and giving away, event by event, with a port that only writes
 * down what it is asked. */
#include "base/memory.h"
#include "src/delivery/abdication.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

struct desk {
    struct leadership *leadership;
    struct catalog *catalog;
    bool accepts;
    bool lease;
    uint64_t token;            /* Of the last proposal, */
    uint8_t type;              /* and its command; 0: none. */
    uint32_t reign;            /* Of the last page asked for, */
    uint32_t pages;            /* and how many were. */
    struct delivery_read read; /* The last one. */
    struct delivery_send sent;
    uint32_t sends;
};

static bool port_accepts(void *context)
{
    return ((struct desk *)context)->accepts;
}

static bool port_holds_lease(void *context)
{
    return ((struct desk *)context)->lease;
}

static void port_propose(void *context, struct slice bytes, uint64_t token)
{
    struct desk *desk = context;
    struct command command;
    assert_int_equal(command_next(&bytes, &command), 0);
    desk->type = command.type;
    desk->token = token;
}

static void port_read(void *context, uint32_t reign,
                      const struct delivery_read *read)
{
    (void)reign;
    ((struct desk *)context)->read = *read;
}

static void port_read_page(void *context, uint32_t reign, uint32_t after_id)
{
    struct desk *desk = context;
    (void)after_id;
    desk->reign = reign;
    desk->pages++;
}

static void port_send(void *context, const struct delivery_send *send)
{
    struct desk *desk = context;
    desk->sent = *send;
    desk->sends++;
}

static void port_wake(void *context, uint64_t at_ms)
{
    (void)context;
    (void)at_ms;
}

static void port_random(void *context, uint8_t *bytes, size_t length)
{
    (void)context;
    memset(bytes, 7, length);
}

static void apply(struct desk *desk, struct encoder *entry,
                  struct command_result result)
{
    struct slice rest = encoder_slice(entry);
    struct command command;
    assert_int_equal(command_next(&rest, &command), 0);
    catalog_apply(desk->catalog, &command, &result);
    leadership_apply(desk->leadership, &command, &result);
    encoder_close(entry);
}

/* A topic and a publisher, both with id 1. */
static void desk_open(struct desk *desk)
{
    const struct leadership_port port = {
        .context = desk,
        .accepts = port_accepts,
        .holds_lease = port_holds_lease,
        .propose = port_propose,
        .read = port_read,
        .read_page = port_read_page,
        .send = port_send,
        .wake = port_wake,
        .random = port_random,
    };
    const struct leadership_options options = {.node_id = 1, .sends_max = 100};
    const struct topic_options topic = {.name = slice_text("t"),
                                        .origin_host = slice_text("h")};
    const struct command_publisher_create create = {
        .topic_id = 1,
        .options = {.target = slice_text("http://r"),
                    .type = PUBLISHER_HTTP,
                    .timeout_seconds = 1,
                    .retry_seconds = 1,
                    .retry_seconds_max = 1,
                    .chunk_size = 1,
                    .max_in_flight = 4,
                    .max_attempts = 5}};
    struct encoder entry = {0};
    *desk = (struct desk){.accepts = true, .lease = true};
    desk->catalog = catalog_new();
    desk->leadership = leadership_new(&port, &options, desk->catalog);
    command_topic_create_encode(&entry, 1, &topic);
    apply(desk, &entry, (struct command_result){.id = 1});
    command_publisher_create_encode(&entry, 1, &create);
    apply(desk, &entry, (struct command_result){.id = 1, .position = 1});
}

static void desk_close(struct desk *desk)
{
    leadership_free(desk->leadership);
    catalog_free(desk->catalog);
}

static void decided(struct desk *desk, int code)
{
    const struct command_result result = {.code = code};
    leadership_decided(desk->leadership, desk->token, &result, 10);
}

/* Leads, until its pipelines are there. */
static void take_over(struct desk *desk)
{
    leadership_lead(desk->leadership, 10);
    assert_int_equal(desk->type, COMMAND_TAKEOVER);
    decided(desk, 0);
    leadership_paged(desk->leadership, desk->reign, 0, 0, NULL, 0);
    assert_true(leadership_is_running(desk->leadership));
}

static void publish(struct desk *desk, uint64_t position)
{
    const struct message message = {.topic_id = 1, .payload = slice_text("1")};
    struct encoder entry = {0};
    size_t begun = command_messages_begin(&entry, 10, 1);
    message_encode(&entry, &message);
    command_end(&entry, begun);
    apply(desk, &entry,
          (struct command_result){
              .count = 1, .id = position, .position = position});
}

/* Sends what is there: a grant, and then the request. */
static void grant(struct desk *desk)
{
    leadership_run(desk->leadership, 10);
    assert_int_equal(desk->type, COMMAND_GRANT);
    decided(desk, 0);
    leadership_run(desk->leadership, 10);
}

static void test_nothing_before_the_takeover_is_applied(void **state)
{
    struct desk desk;
    (void)state;
    desk_open(&desk);
    leadership_lead(desk.leadership, 10);
    publish(&desk, 1);
    leadership_run(desk.leadership, 10);
    assert_false(leadership_may_send(desk.leadership));
    assert_int_equal(desk.type, COMMAND_TAKEOVER);
    assert_int_equal(desk.pages, 0);
    decided(&desk, 0);
    leadership_run(desk.leadership, 10);
    assert_int_equal(desk.type, COMMAND_TAKEOVER);
    assert_false(leadership_may_send(desk.leadership));
    desk_close(&desk);
}

/* The takeover of a reign that has ended begins nothing. */
static void test_an_old_takeover_is_nothing(void **state)
{
    struct desk desk;
    (void)state;
    desk_open(&desk);
    leadership_lead(desk.leadership, 10);
    uint64_t old = desk.token;
    leadership_deposed(desk.leadership);
    leadership_lead(desk.leadership, 20);
    const struct command_result result = {0};
    leadership_decided(desk.leadership, old, &result, 20);
    assert_int_equal(desk.pages, 0);
    decided(&desk, 0);
    assert_int_equal(desk.pages, 1);
    desk_close(&desk);
}

static void test_a_page_that_cannot_be_read_is_asked_for_again(void **state)
{
    struct desk desk;
    (void)state;
    desk_open(&desk);
    leadership_lead(desk.leadership, 10);
    decided(&desk, 0);
    leadership_paged(desk.leadership, desk.reign, 0, ERR_BUSY, NULL, 0);
    assert_int_equal(desk.pages, 2);
    leadership_paged(desk.leadership, desk.reign - 1, 0, 0, NULL, 0);
    assert_false(leadership_is_running(desk.leadership));
    leadership_paged(desk.leadership, desk.reign, 0, 0, NULL, 0);
    assert_true(leadership_is_running(desk.leadership));
    desk_close(&desk);
}

/* A decision, or a step of a replay, between the view of a page and the
 * pipelines that come of it: what is due since then is looked for. */
static void test_a_decision_while_loading_is_not_missed(void **state)
{
    struct desk desk;
    struct encoder entry = {0};
    const struct command_decision decision = {.message_id = 1};
    struct pipeline_view view = {.publisher = {.id = 1}, .next = 2};
    (void)state;
    desk_open(&desk);
    leadership_lead(desk.leadership, 10);
    decided(&desk, 0);
    command_decision_encode(&entry, COMMAND_RETRY, 10, &decision);
    apply(&desk, &entry, (struct command_result){.count = 1, .time_ms = 10});
    leadership_paged(desk.leadership, desk.reign, 0, 0, &view, 1);
    leadership_run(desk.leadership, 10);
    assert_int_equal(desk.read.kind, DELIVERY_DUE);
    desk_close(&desk);
}

static void test_nothing_is_sent_without_a_lease(void **state)
{
    struct desk desk;
    (void)state;
    desk_open(&desk);
    take_over(&desk);
    publish(&desk, 1);
    desk.lease = false;
    leadership_run(desk.leadership, 10);
    assert_int_not_equal(desk.type, COMMAND_GRANT);
    assert_false(leadership_may_send(desk.leadership));
    desk.lease = true;
    leadership_run(desk.leadership, 100);
    assert_int_equal(desk.type, COMMAND_GRANT);
    desk_close(&desk);
}

/* A request outlives the leadership that sent it. Its answer must not settle
 * what the same node sends when it leads again, under the same token. */
static void test_an_answer_to_an_earlier_reign_is_nothing(void **state)
{
    struct desk desk;
    const struct attempt success = {.class = ATTEMPT_OK, .status = 200};
    (void)state;
    desk_open(&desk);
    take_over(&desk);
    publish(&desk, 1);
    grant(&desk);
    assert_int_equal(desk.sends, 1);
    struct delivery_send old = desk.sent;
    leadership_deposed(desk.leadership);
    take_over(&desk);
    leadership_answered(desk.leadership, old.reign, old.publisher_id, old.token,
                        &success, 20);
    leadership_run(desk.leadership, 10);
    assert_int_equal(desk.read.kind, DELIVERY_FEED);
    const struct feed_item item = {
        .position = 1, .message = {.topic_id = 1, .payload = slice_text("1")}};
    leadership_supplied(desk.leadership, desk.reign, &desk.read, 0, &item, 1, 0,
                        10);
    grant(&desk);
    assert_int_equal(desk.sends, 2);
    assert_int_equal(desk.sent.token, old.token);
    leadership_answered(desk.leadership, old.reign, old.publisher_id, old.token,
                        &success, 20);
    leadership_run(desk.leadership, 20);
    assert_int_equal(desk.type, COMMAND_GRANT);
    leadership_answered(desk.leadership, desk.sent.reign, 1, desk.sent.token,
                        &success, 20);
    leadership_run(desk.leadership, 20);
    assert_int_equal(desk.type, COMMAND_OUTCOMES);
    desk_close(&desk);
}

/* ---- Giving away ---- */

static void test_what_is_under_way_is_settled_first(void **state)
{
    struct desk desk;
    struct abdication abdication = {0};
    const struct attempt success = {.class = ATTEMPT_OK, .status = 200};
    (void)state;
    desk_open(&desk);
    take_over(&desk);
    publish(&desk, 1);
    grant(&desk);
    assert_int_equal(
        abdication_begin(&abdication, desk.leadership, 2, true, 1000), 0);
    assert_int_equal(
        abdication_begin(&abdication, desk.leadership, 3, true, 1000),
        ERR_BUSY);
    assert_false(abdication_may_ask(&abdication, desk.leadership, 500));
    publish(&desk, 2);
    leadership_run(desk.leadership, 20);
    assert_int_equal(desk.sends, 1);
    leadership_answered(desk.leadership, desk.sent.reign, 1, desk.sent.token,
                        &success, 20);
    leadership_run(desk.leadership, 20);
    assert_int_equal(desk.type, COMMAND_OUTCOMES);
    assert_false(abdication_may_ask(&abdication, desk.leadership, 501));
    decided(&desk, 0);
    assert_true(abdication_may_ask(&abdication, desk.leadership, 502));
    assert_true(abdication.drained);
    assert_int_equal(abdication.heir, 2);
    assert_false(abdication_may_ask(&abdication, desk.leadership, 503));
    desk_close(&desk);
}

static void test_a_drain_has_an_end(void **state)
{
    struct desk desk;
    struct abdication abdication = {0};
    (void)state;
    desk_open(&desk);
    take_over(&desk);
    publish(&desk, 1);
    grant(&desk);
    assert_int_equal(
        abdication_begin(&abdication, desk.leadership, 0, false, 1000), 0);
    assert_false(abdication_may_ask(&abdication, desk.leadership, 999));
    assert_true(abdication_may_ask(&abdication, desk.leadership, 1000));
    assert_false(abdication.drained);
    desk_close(&desk);
}

/* Nobody has taken it: deliveries go on, even while no command is taken. */
static void test_who_stays_delivers_again(void **state)
{
    struct desk desk;
    struct abdication abdication = {0};
    (void)state;
    desk_open(&desk);
    take_over(&desk);
    abdication_begin(&abdication, desk.leadership, 0, true, 1000);
    assert_true(abdication_may_ask(&abdication, desk.leadership, 10));
    desk.accepts = false;
    desk.type = 0;
    abdication_ended(&abdication, desk.leadership, 20);
    assert_int_equal(desk.type, COMMAND_TAKEOVER);
    desk.accepts = true;
    decided(&desk, 0);
    leadership_paged(desk.leadership, desk.reign, 0, 0, NULL, 0);
    publish(&desk, 1);
    grant(&desk);
    assert_int_equal(desk.sends, 1);
    desk_close(&desk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_before_the_takeover_is_applied),
        cmocka_unit_test(test_an_old_takeover_is_nothing),
        cmocka_unit_test(test_a_page_that_cannot_be_read_is_asked_for_again),
        cmocka_unit_test(test_a_decision_while_loading_is_not_missed),
        cmocka_unit_test(test_nothing_is_sent_without_a_lease),
        cmocka_unit_test(test_an_answer_to_an_earlier_reign_is_nothing),
        cmocka_unit_test(test_what_is_under_way_is_settled_first),
        cmocka_unit_test(test_a_drain_has_an_end),
        cmocka_unit_test(test_who_stays_delivers_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
