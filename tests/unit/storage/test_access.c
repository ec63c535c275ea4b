/* Tokens in the store, and what is written down of changes. */
#include "fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct scene {
    struct fixture fixture;
    struct encoder entry;
    struct audit_page page; /* Of the last look. */
};

static void scene_begin(struct scene *scene)
{
    struct command_init init = {.cluster_id = "0123456789abcde", .id_space = 7};
    *scene = (struct scene){0};
    fixture_open(&scene->fixture);
    command_init_encode(&scene->entry, 1000, &init);
    fixture_apply_one(&scene->fixture, &scene->entry);
}

static void scene_end(struct scene *scene)
{
    encoder_close(&scene->entry);
    fixture_close(&scene->fixture);
}

/* Applies the one command in the entry, signed by `who`. */
static struct command_result change(struct scene *scene, const char *who)
{
    struct author author = {.who = slice_text(who),
                            .request_id = slice_text("r-9")};
    command_sign(&scene->entry, 0, &author);
    return fixture_apply_one(&scene->fixture, &scene->entry);
}

static const struct audit_page *look(struct scene *scene,
                                     const struct audit_query *query)
{
    struct audit_query ask =
        query == NULL ? (struct audit_query){.limit = 100} : *query;
    struct view *view;
    struct error error;
    fixture_commit(&scene->fixture);
    expect_ok(view_begin(scene->fixture.store, &view, &error), &error);
    expect_ok(
        query_audit(view, &ask, &scene->fixture.arena, &scene->page, &error),
        &error);
    view_end(view);
    return &scene->page;
}

/* The newest entry, which must be this one. */
static const struct audit_entry *newest(struct scene *scene, const char *who,
                                        const char *action, const char *subject)
{
    char text[AUDIT_SUBJECT_SIZE];
    const struct audit_page *page = look(scene, NULL);
    assert_true(page->count > 0);
    const struct audit_entry *entry = &page->entries[0];
    assert_true(slice_is(entry->row.who, who));
    assert_string_equal(audit_action_text(entry->row.action), action);
    assert_true(slice_is(audit_subject(&entry->row, text), subject));
    return entry;
}

static void make_topic(struct scene *scene, const char *name)
{
    struct topic_options topic = fixture_topic(name);
    command_topic_create_encode(&scene->entry, 1000, &topic);
    assert_int_equal(change(scene, "boss").code, 0);
}

/* ---- Tokens ---- */

static struct command_result make_token(struct scene *scene, const char *name,
                                        enum role role)
{
    struct token token = {.name = slice_text(name), .role = role};
    command_token_create_encode(&scene->entry, 2000, &token);
    return change(scene, "boss");
}

static int revoke(struct scene *scene, uint32_t id)
{
    command_token_revoke_encode(&scene->entry, 3000, id);
    return change(scene, "boss").code;
}

static void test_tokens_come_and_go(void **state)
{
    struct scene scene;
    struct view *view;
    struct error error;
    struct token *tokens;
    uint32_t count;
    (void)state;
    scene_begin(&scene);
    assert_int_equal(make_token(&scene, "boss", ROLE_ADMIN).id, 1);
    assert_int_equal(make_token(&scene, "app", ROLE_PUBLISH).id, 2);
    assert_int_equal(make_token(&scene, "app", ROLE_READ).code, ERR_EXISTS);
    assert_int_equal(make_token(&scene, "", ROLE_READ).code, ERR_INVALID);
    assert_int_equal(make_token(&scene, "a b", ROLE_READ).code, ERR_INVALID);
    fixture_commit(&scene.fixture);
    fixture_reopen(&scene.fixture);
    expect_ok(view_begin(scene.fixture.store, &view, &error), &error);
    expect_ok(
        query_tokens(view, 0, 9, &scene.fixture.arena, &tokens, &count, &error),
        &error);
    assert_int_equal(count, 2);
    assert_true(slice_is(tokens[1].name, "app"));
    assert_int_equal(tokens[1].created_ms, 2000);
    view_end(view);
    assert_int_equal(revoke(&scene, 2), 0);
    assert_int_equal(revoke(&scene, 2), ERR_NOT_FOUND);
    /* Its name is free, its id is not given again. */
    assert_int_equal(make_token(&scene, "app", ROLE_READ).id, 3);
    scene_end(&scene);
}

static void test_the_last_admin_goes_last(void **state)
{
    struct scene scene;
    (void)state;
    scene_begin(&scene);
    make_token(&scene, "boss", ROLE_ADMIN);
    make_token(&scene, "app", ROLE_READ);
    assert_int_equal(revoke(&scene, 1), ERR_CONFLICT);
    make_token(&scene, "vice", ROLE_ADMIN);
    assert_int_equal(revoke(&scene, 1), 0);
    assert_int_equal(revoke(&scene, 3), ERR_CONFLICT);
    assert_int_equal(revoke(&scene, 2), 0);
    assert_int_equal(revoke(&scene, 3), 0);
    scene_end(&scene);
}

static void test_tokens_are_bounded(void **state)
{
    struct scene scene;
    char name[16];
    (void)state;
    scene_begin(&scene);
    for (int i = 0; i < BOUND_TOKENS; i++) {
        snprintf(name, sizeof name, "t%d", i);
        assert_int_equal(make_token(&scene, name, ROLE_ADMIN).code, 0);
    }
    assert_int_equal(make_token(&scene, "more", ROLE_READ).code, ERR_BUSY);
    assert_int_equal(revoke(&scene, 5), 0);
    assert_int_equal(make_token(&scene, "more", ROLE_READ).code, 0);
    scene_end(&scene);
}

/* ---- Audit ---- */

static void test_a_change_is_written_down(void **state)
{
    struct scene scene;
    (void)state;
    scene_begin(&scene);
    make_topic(&scene, "orders");
    const struct audit_entry *entry =
        newest(&scene, "boss", "topic.create", "topic/orders");
    assert_int_equal(entry->row.time_ms, 1000);
    assert_true(slice_is(entry->row.request_id, "r-9"));
    assert_false(entry->before.there);
    assert_true(entry->after.there);

    struct command_topic_update update = {.topic_id = 1,
                                          .options = fixture_topic("orders")};
    update.options.retention_seconds = 77;
    command_topic_update_encode(&scene.entry, 1500, &update);
    change(&scene, "anonymous");
    entry = newest(&scene, "anonymous", "topic.change", "topic/orders");
    assert_int_equal(entry->before.topic.options.retention_seconds, 0);
    assert_int_equal(entry->after.topic.options.retention_seconds, 77);

    struct command_topic_delete deletion = {.topic_id = 1};
    command_topic_delete_encode(&scene.entry, 1500, &deletion);
    change(&scene, "boss");
    entry = newest(&scene, "boss", "topic.delete", "topic/orders");
    assert_true(entry->before.there);
    assert_false(entry->after.there);
    assert_int_equal(scene.page.count, 3);
    scene_end(&scene);
}

/* What is refused, or changes nothing, or is the system's own, is no change. */
static void test_nothing_else_is_written_down(void **state)
{
    struct scene scene;
    struct topic_options topic = fixture_topic("orders");
    (void)state;
    scene_begin(&scene);
    make_topic(&scene, "orders");
    command_topic_create_encode(&scene.entry, 1000, &topic);
    assert_int_equal(change(&scene, "boss").code, ERR_EXISTS);
    command_publisher_delete_encode(&scene.entry, 1000, 9);
    assert_int_equal(change(&scene, "boss").code, ERR_NOT_FOUND);
    struct topic_options other = fixture_topic("other");
    command_topic_create_encode(&scene.entry, 1000, &other);
    assert_int_equal(fixture_apply_one(&scene.fixture, &scene.entry).code, 0);
    assert_int_equal(look(&scene, NULL)->count, 1);
    scene_end(&scene);
}

static bool holds(const struct scene *scene, const char *secret)
{
    for (uint32_t i = 0; i < scene->page.count; i++) {
        const struct audit_row *row = &scene->page.entries[i].row;
        if ((row->before.length > 0 &&
             memmem(row->before.data, row->before.length, secret,
                    strlen(secret)) != NULL) ||
            (row->after.length > 0 && memmem(row->after.data, row->after.length,
                                             secret, strlen(secret)) != NULL))
            return true;
    }
    return false;
}

/* A publisher's life, from which no secret is kept. */
static void test_publishers_without_their_secrets(void **state)
{
    struct scene scene;
    (void)state;
    scene_begin(&scene);
    make_topic(&scene, "orders");
    struct command_publisher_create create = {
        .topic_id = 1, .options = fixture_publisher("http://h/")};
    create.options.secret = slice_text("SECRET-1");
    create.options.basic_auth = slice_text("user:SECRET-2");
    create.options.headers = slice_of("\1\0n\10\0SECRET-3", 13);
    command_publisher_create_encode(&scene.entry, 1000, &create);
    change(&scene, "boss");
    const struct audit_entry *entry =
        newest(&scene, "boss", "publisher.create", "publisher/1");
    assert_true(slice_is(entry->after.publisher.options.secret, "***"));

    struct command_publisher_update update = {
        .publisher_id = 1, .rotate = true, .options = create.options};
    update.options.secret = slice_text("SECRET-4");
    command_publisher_update_encode(&scene.entry, 1100, &update);
    change(&scene, "boss");
    newest(&scene, "boss", "publisher.rotate-secret", "publisher/1");
    update.rotate = false;
    update.options.max_attempts = 5;
    command_publisher_update_encode(&scene.entry, 1100, &update);
    change(&scene, "boss");
    entry = newest(&scene, "boss", "publisher.change", "publisher/1");
    assert_int_equal(entry->after.publisher.options.max_attempts, 5);
    assert_true(entry->before.publisher.options.max_attempts != 5);

    struct command_pause pause = {
        .publisher_id = 1, .paused = true, .reason = slice_text("lunch")};
    command_pause_encode(&scene.entry, 1100, &pause);
    change(&scene, "boss");
    entry = newest(&scene, "boss", "publisher.pause", "publisher/1");
    assert_false(entry->before.publisher.paused);
    assert_true(slice_is(entry->after.publisher.pause_reason, "lunch"));
    assert_true(slice_is(entry->after.publisher.paused_by, "boss"));
    pause = (struct command_pause){.publisher_id = 1};
    command_pause_encode(&scene.entry, 1100, &pause);
    change(&scene, "boss");
    entry = newest(&scene, "boss", "publisher.resume", "publisher/1");
    assert_int_equal(entry->after.publisher.paused_by.length, 0);

    encode_messages(&scene.entry, 1200, 1, 3, "{}");
    fixture_apply_one(&scene.fixture, &scene.entry);
    command_publisher_delete_encode(&scene.entry, 1300, 1);
    change(&scene, "boss");
    entry = newest(&scene, "boss", "publisher.delete", "publisher/1");
    assert_int_equal(entry->before.backlog, 3);
    assert_false(entry->after.there);
    assert_false(holds(&scene, "SECRET"));
    scene_end(&scene);
}

/* Of topic 1, for publisher 1; returns its id. */
static uint64_t scene_begin_with_a_message(struct scene *scene)
{
    struct command_publisher_create create = {
        .topic_id = 1, .options = fixture_publisher("http://h/")};
    scene_begin(scene);
    make_topic(scene, "orders");
    command_publisher_create_encode(&scene->entry, 1000, &create);
    fixture_apply_one(&scene->fixture, &scene->entry);
    encode_messages(&scene->entry, 1200, 1, 1, "{}");
    return fixture_apply_one(&scene->fixture, &scene->entry).id;
}

static void test_decisions_tell_states(void **state)
{
    struct scene scene;
    (void)state;
    uint64_t id = scene_begin_with_a_message(&scene);
    struct command_decision decision = {.message_id = id};
    command_decision_encode(&scene.entry, COMMAND_DISCARD, 1300, &decision);
    assert_int_equal(change(&scene, "boss").code, 0);
    const struct audit_entry *entry =
        newest(&scene, "boss", "message.discard", "message/1");
    assert_int_equal(entry->before.deliveries.length, 5);
    assert_int_equal(entry->before.deliveries.data[4], DELIVERY_PENDING);
    assert_int_equal(entry->after.deliveries.data[4], DELIVERY_DISCARDED);
    /* It is discarded already. */
    command_decision_encode(&scene.entry, COMMAND_DISCARD, 1300, &decision);
    change(&scene, "boss");
    assert_int_equal(look(&scene, NULL)->count, 2);
    scene_end(&scene);
}

static void test_replays_and_transfers(void **state)
{
    struct scene scene;
    (void)state;
    scene_begin_with_a_message(&scene);
    struct command_replay_start start = {
        .publisher_id = 1, .upto = 9, .any_state = true};
    command_replay_start_encode(&scene.entry, 1300, &start);
    assert_int_equal(change(&scene, "boss").code, 0);
    const struct audit_entry *entry =
        newest(&scene, "boss", "replay.start", "replay/1");
    assert_int_equal(entry->after.replay.publisher_id, 1);
    struct command_transfer transfer = {.from = 1, .to = 3};
    command_transfer_encode(&scene.entry, 1300, &transfer);
    assert_int_equal(change(&scene, "boss").code, 0);
    entry = newest(&scene, "boss", "cluster.transfer", "node/3");
    assert_int_equal(entry->before.node_id, 1);
    assert_int_equal(entry->after.node_id, 3);
    scene_end(&scene);
}

/* ---- Lists ---- */

static void test_lists_are_filtered_and_paged(void **state)
{
    struct scene scene;
    char name[16];
    (void)state;
    scene_begin(&scene);
    for (int i = 0; i < 5; i++) {
        snprintf(name, sizeof name, "t%d", i);
        make_topic(&scene, name);
    }
    struct command_topic_delete deletion = {.topic_id = 2};
    command_topic_delete_encode(&scene.entry, 1000, &deletion);
    change(&scene, "vice");
    struct audit_query who = {.limit = 9, .who = slice_text("vice")};
    assert_int_equal(look(&scene, &who)->count, 1);
    struct audit_query action = {.limit = 9,
                                 .action = slice_text("topic.create")};
    assert_int_equal(look(&scene, &action)->count, 5);
    struct audit_query subject = {.limit = 9,
                                  .subject = slice_text("topic/t1")};
    assert_int_equal(look(&scene, &subject)->count, 2);
    assert_int_equal(scene.page.next, 0);
    struct audit_query page = {.limit = 4};
    assert_int_equal(look(&scene, &page)->count, 4);
    assert_int_equal(scene.page.entries[3].id, 3);
    page.before = scene.page.next;
    assert_int_equal(look(&scene, &page)->count, 2);
    assert_int_equal(scene.page.entries[1].id, 1);
    assert_int_equal(scene.page.next, 0);
    scene_end(&scene);
}

/* What is old goes as something new comes, a few at a time. */
static void test_old_rows_go(void **state)
{
    struct scene scene;
    char name[16];
    struct topic_options late = fixture_topic("late");
    (void)state;
    scene_begin(&scene);
    for (int i = 0; i < 6; i++) {
        snprintf(name, sizeof name, "t%d", i);
        make_topic(&scene, name);
    }
    uint64_t years_ms = (uint64_t)(BOUND_AUDIT_DAYS + 1) * 24 * 3600 * 1000;
    command_topic_create_encode(&scene.entry, years_ms, &late);
    change(&scene, "boss");
    assert_int_equal(look(&scene, NULL)->count, 3);
    newest(&scene, "boss", "topic.create", "topic/late");
    command_token_revoke_encode(&scene.entry, years_ms, 1);
    change(&scene, "boss"); /* Refused: no row, so that nothing goes. */
    assert_int_equal(look(&scene, NULL)->count, 3);
    scene_end(&scene);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tokens_come_and_go),
        cmocka_unit_test(test_the_last_admin_goes_last),
        cmocka_unit_test(test_tokens_are_bounded),
        cmocka_unit_test(test_a_change_is_written_down),
        cmocka_unit_test(test_nothing_else_is_written_down),
        cmocka_unit_test(test_publishers_without_their_secrets),
        cmocka_unit_test(test_decisions_tell_states),
        cmocka_unit_test(test_replays_and_transfers),
        cmocka_unit_test(test_lists_are_filtered_and_paged),
        cmocka_unit_test(test_old_rows_go),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
