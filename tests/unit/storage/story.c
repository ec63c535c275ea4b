#include "story.h"

void story_begin(struct story *story, enum ordering ordering,
                 enum poison on_poison)
{
    struct topic_options topic = fixture_topic("orders");
    struct command_publisher_create create = {.topic_id = 1};
    uint32_t count;
    *story = (struct story){.options = fixture_publisher("http://a/")};
    fixture_open(&story->fixture);
    story->options.ordering = ordering;
    story->options.on_poison = on_poison;
    create.options = story->options;
    command_topic_create_encode(&story->entry, 1000, &topic);
    command_publisher_create_encode(&story->entry, 1000, &create);
    fixture_apply(&story->fixture, &story->entry, &count);
    assert_int_equal(count, 2);
}

void story_end(struct story *story)
{
    struct error error = {0};
    struct verify_report report;
    expect_ok(verify_all(story_look(story), &report, &error), &error);
    view_end(story->view);
    encoder_close(&story->entry);
    fixture_close(&story->fixture);
}

struct command_result story_tell(struct story *story)
{
    return fixture_apply_one(&story->fixture, &story->entry);
}

struct view *story_look(struct story *story)
{
    struct error error = {0};
    fixture_commit(&story->fixture);
    view_end(story->view);
    expect_ok(view_begin(story->fixture.store, &story->view, &error), &error);
    return story->view;
}

struct arena *story_arena(struct story *story)
{
    return &story->fixture.arena;
}

/* ---- Commands ---- */

void story_publish(struct story *story, const int *keys, uint32_t count)
{
    size_t begun = command_messages_begin(&story->entry, 1000, count);
    for (uint32_t i = 0; i < count; i++) {
        struct message message = {.topic_id = 1, .payload = slice_text("{}")};
        if (keys[i] >= 0)
            message.key = fixture_key_text(keys[i]);
        message_encode(&story->entry, &message);
    }
    command_end(&story->entry, begun);
    assert_int_equal(story_tell(story).code, 0);
}

uint64_t story_schedule(struct story *story, uint64_t time_ms,
                        uint64_t schedule_ms, int key)
{
    size_t begun = command_messages_begin(&story->entry, time_ms, 1);
    struct message message = {
        .topic_id = 1, .schedule_ms = schedule_ms, .payload = slice_text("{}")};
    if (key >= 0)
        message.key = fixture_key_text(key);
    message_encode(&story->entry, &message);
    command_end(&story->entry, begun);
    struct command_result result = story_tell(story);
    assert_int_equal(result.code, 0);
    return result.id;
}

static uint64_t key_at(struct story *story, uint64_t position)
{
    struct error error = {0};
    struct feed_item *items;
    uint32_t count;
    expect_ok(query_positions(story_look(story), 1, &position, 1,
                              story_arena(story), &items, &count, &error),
              &error);
    assert_int_equal(count, 1);
    return items[0].key;
}

int story_grant(struct story *story, uint64_t from, uint64_t upto,
                const uint64_t *open, uint32_t open_count,
                const uint64_t *parked, uint32_t parked_count)
{
    uint64_t open_keys[64];
    uint64_t parked_keys[64];
    assert_true(open_count <= 64 && parked_count <= 64);
    for (uint32_t i = 0; i < open_count; i++)
        open_keys[i] = key_at(story, open[i]);
    for (uint32_t i = 0; i < parked_count; i++)
        parked_keys[i] = key_at(story, parked[i]);
    struct command_grant grant = {.publisher_id = 1,
                                  .from = from,
                                  .upto = upto,
                                  .examined = (uint32_t)(upto - from + 1),
                                  .open_count = open_count,
                                  .open = open,
                                  .open_keys = open_keys,
                                  .parked_count = parked_count,
                                  .parked = parked,
                                  .parked_keys = parked_keys};
    command_grant_encode(&story->entry, 1000, &grant);
    return story_tell(story).code;
}

int story_unpark(struct story *story, int key, uint64_t from, uint64_t upto,
                 uint32_t examined, uint64_t open)
{
    struct command_unpark unpark = {.publisher_id = 1,
                                    .key = fixture_key(key),
                                    .from = from,
                                    .upto = upto,
                                    .examined = examined,
                                    .open_count = open != 0,
                                    .open = &open};
    command_unpark_encode(&story->entry, 1000, &unpark);
    return story_tell(story).code;
}

void story_outcome(struct story *story, uint64_t time_ms, uint64_t position,
                   enum delivery_state state)
{
    encode_outcome(&story->entry, time_ms, 1, position, state,
                   state == DELIVERY_DELIVERED ? 200 : 500, time_ms + 1000);
    assert_int_equal(story_tell(story).count, 1);
}

uint32_t story_intent(struct story *story, uint64_t time_ms, uint64_t position)
{
    encode_positions(&story->entry, COMMAND_INTENT, time_ms, 1, position);
    return story_tell(story).count;
}

int story_update(struct story *story, uint64_t time_ms, bool rotate)
{
    struct command_publisher_update update = {
        .publisher_id = 1, .rotate = rotate, .options = story->options};
    command_publisher_update_encode(&story->entry, time_ms, &update);
    return story_tell(story).code;
}

struct command_result story_decide(struct story *story, enum command_type type,
                                   uint64_t time_ms, uint64_t message_id)
{
    struct command_decision decision = {.message_id = message_id,
                                        .publisher_id = 1};
    command_decision_encode(&story->entry, type, time_ms, &decision);
    return story_tell(story);
}

/* ---- Questions ---- */

struct delivery story_delivery(struct story *story, uint64_t message_id)
{
    struct error error = {0};
    struct message_view message;
    expect_ok(query_message(story_look(story), message_id, story_arena(story),
                            &message, &error),
              &error);
    assert_int_equal(message.delivery_count, 1);
    return message.deliveries[0];
}

struct publisher_view story_publisher(struct story *story)
{
    struct error error = {0};
    struct publisher_view publisher;
    expect_ok(query_publisher(story_look(story), 1, story_arena(story),
                              &publisher, &error),
              &error);
    return publisher;
}

struct explain story_explain(struct story *story, uint64_t message_id,
                             uint64_t now_ms)
{
    struct error error = {0};
    struct explain explain;
    expect_ok(query_explain(story_look(story), message_id, 1, now_ms,
                            story_arena(story), &explain, &error),
              &error);
    return explain;
}

uint64_t story_records(struct story *story)
{
    struct error error = {0};
    struct verify_report report;
    expect_ok(verify_all(story_look(story), &report, &error), &error);
    return report.records;
}
