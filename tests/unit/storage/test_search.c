/* Searches with the index, at every stage of its life, against a plain look at
 * all messages.
 *
 * A history of random commands goes on; the index follows in steps, or lags, is
 * closed and opened, thrown away and damaged, and messages and topics go.
 * Whatever its state, each random question must get the answer that the plain
 * look gives, page by page. */
#include "fixture.h"

#include "base/bounds.h"
#include "storage/index.h"
#include "storage/search_field.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    TOPICS = 3,
    ROUNDS = 120,
    QUESTIONS = 25,
    FIRST_MS = 1000,
};

struct world {
    struct fixture fixture;
    char index_directory[64];
    struct index *index;
    struct encoder entry;
    uint64_t random;
    uint64_t now_ms;
    uint64_t last_id;
    uint32_t topics[TOPICS]; /* Ids; 0: deleted. */
    uint32_t topic_count;    /* Ever. */
};

/* ---- The history ---- */

static uint32_t below(struct world *world, uint32_t limit)
{
    return random_below(&world->random, limit);
}

static void apply(struct world *world)
{
    uint32_t count;
    fixture_apply(&world->fixture, &world->entry, &count);
    fixture_commit(&world->fixture);
    arena_close(&world->fixture.arena);
}

static void index_open_here(struct world *world)
{
    struct error error = {0};
    expect_ok(index_open(world->index_directory, FIXTURE_MAP_BYTES,
                         &world->index, &error),
              &error);
}

static void make_topic(struct world *world, uint32_t place)
{
    char name[16];
    struct command_publisher_create create = {
        .options = fixture_publisher("http://target/")};
    snprintf(name, sizeof name, "t%u", ++world->topic_count);
    struct topic_options topic = fixture_topic(name);
    struct encoder fields = {0};
    text_list_add(&fields, slice_text("/a"));
    if (place == 0)
        text_list_add(&fields, slice_text("/b/0"));
    if (place < 2)
        topic.indexed_fields = encoder_slice(&fields);
    command_topic_create_encode(&world->entry, world->now_ms, &topic);
    create.topic_id = world->topic_count;
    command_publisher_create_encode(&world->entry, world->now_ms, &create);
    apply(world);
    encoder_close(&fields);
    world->topics[place] = world->topic_count;
}

static void world_open(struct world *world, uint64_t seed)
{
    struct command_init init = {.id_space = 7};
    *world = (struct world){.random = seed, .now_ms = FIRST_MS};
    fixture_open(&world->fixture);
    fixture_make_directory(world->index_directory);
    command_init_encode(&world->entry, world->now_ms, &init);
    apply(world);
    for (uint32_t i = 0; i < TOPICS; i++)
        make_topic(world, i);
    index_open_here(world);
}

static void world_close(struct world *world)
{
    index_close(world->index);
    fixture_remove_directory(world->index_directory);
    encoder_close(&world->entry);
    fixture_close(&world->fixture);
}

static const char *const values[] = {"1", "\"1\"", "\"x\\u0041\"", "[1]",
                                     "null"};

static void publish(struct world *world)
{
    uint32_t count = 1 + below(world, 30);
    world->now_ms += below(world, 50);
    size_t begun = command_messages_begin(&world->entry, world->now_ms, count);
    for (uint32_t i = 0; i < count; i++) {
        char payload[100];
        char number[16];
        struct encoder attributes = {0};
        snprintf(number, sizeof number, "%u", below(world, 400));
        snprintf(payload, sizeof payload, "{\"a\":%s,\"b\":[%u],\"t\":\"w%u\"}",
                 values[below(world, 5)], below(world, 4), below(world, 9));
        if (below(world, 2) == 0)
            attribute_encode(&attributes, slice_text("kind"),
                             slice_text(below(world, 2) ? "a" : "b"));
        attribute_encode(&attributes, slice_text("n"), slice_text(number));
        struct message message = {.topic_id =
                                      world->topics[below(world, TOPICS)],
                                  .payload = slice_text(payload),
                                  .attributes = encoder_slice(&attributes)};
        if (below(world, 3) == 0)
            message.key = fixture_key_text((int)below(world, FIXTURE_KEYS));
        if (below(world, 9) == 0)
            message.schedule_ms = world->now_ms + below(world, 400);
        message_encode(&world->entry, &message);
        encoder_close(&attributes);
    }
    command_end(&world->entry, begun);
    apply(world);
}

static void release(struct world *world)
{
    struct command_release command = {.topic_id =
                                          world->topics[below(world, TOPICS)],
                                      .upto_ms = world->now_ms,
                                      .count_max = 1 + below(world, 20)};
    command_release_encode(&world->entry, world->now_ms, &command);
    apply(world);
}

/* Discards some: a settlement that needs no grant. */
static void discard(struct world *world)
{
    world->now_ms += below(world, 20);
    for (uint32_t i = 0; i < 8; i++) {
        struct command_decision decision = {.message_id =
                                                1 + below(world, 5000)};
        command_decision_encode(&world->entry, COMMAND_DISCARD, world->now_ms,
                                &decision);
    }
    apply(world);
}

static void expire(struct world *world)
{
    for (uint32_t i = 0; i < TOPICS; i++) {
        struct command_expire command = {.topic_id = world->topics[i],
                                         .upto = UINT64_MAX,
                                         .cutoff_ms = world->now_ms - 100};
        command_expire_encode(&world->entry, world->now_ms, &command);
    }
    apply(world);
}

static void delete_topic(struct world *world)
{
    uint32_t place = below(world, TOPICS);
    struct command_topic_delete deletion = {.topic_id = world->topics[place],
                                            .force = true};
    command_topic_delete_encode(&world->entry, world->now_ms, &deletion);
    command_topic_purge_encode(&world->entry, world->now_ms,
                               world->topics[place], 1000);
    apply(world);
    make_topic(world, place);
}

static void change_fields(struct world *world)
{
    struct encoder fields = {0};
    struct command_topic_update update = {.topic_id = world->topics[2],
                                          .options = fixture_topic("")};
    char name[16];
    snprintf(name, sizeof name, "t%u", world->topics[2]);
    update.options.name = slice_text(name);
    text_list_add(&fields, slice_text(below(world, 2) ? "/a" : "/b/0"));
    update.options.indexed_fields = encoder_slice(&fields);
    command_topic_update_encode(&world->entry, world->now_ms, &update);
    apply(world);
    encoder_close(&fields);
}

/* ---- The index's life ---- */

static void step(struct world *world)
{
    struct error error = {0};
    bool more = true;
    while (more)
        expect_ok(index_step(world->index, world->fixture.store, &more, &error),
                  &error);
}

static void sweep(struct world *world)
{
    struct error error = {0};
    expect_ok(index_sweep(world->index, world->fixture.store, &error), &error);
}

static void index_path(const struct world *world, const char *name,
                       char path[100])
{
    snprintf(path, 100, "%s/%s", world->index_directory, name);
}

/* As a crash of the machine leaves it: of another boot, and spoiled. */
static void crash(struct world *world)
{
    static const char text[] = "another boot";
    char path[100];
    index_close(world->index);
    index_path(world, "state", path);
    int fd = open(path, O_WRONLY | O_TRUNC);
    assert_true(write(fd, text, strlen(text)) > 0);
    close(fd);
    index_path(world, "data.mdb", path);
    fd = open(path, O_WRONLY);
    assert_int_equal(pwrite(fd, text, strlen(text), 4096 + 20), strlen(text));
    close(fd);
    index_open_here(world);
}

static void live(struct world *world)
{
    switch (below(world, 20)) {
    case 0:
        index_close(world->index);
        index_open_here(world);
        break;
    case 1:
        crash(world);
        break;
    case 2:
        index_damaged(world->index);
        break;
    case 3:
        fixture_reopen(&world->fixture);
        break;
    case 4:
        change_fields(world);
        break;
    case 5:
        delete_topic(world);
        break;
    case 6:
    case 7:
        expire(world);
        sweep(world);
        break;
    case 8:
    case 9:
        release(world);
        break;
    case 10:
    case 11:
        discard(world);
        break;
    default:
        step(world);
    }
}

/* ---- Questions ---- */

struct question {
    struct message_query query;
    struct search_term terms[3];
    char texts[3][16];
};

static void ask_term(struct world *world, struct question *question)
{
    static const char *const fields[] = {"/a", "/b/0", "/t", "/none"};
    static const char *const wanted[] = {"1", "xA", "[1]", "null", "w3"};
    uint32_t at = question->query.term_count++;
    struct search_term *term = &question->terms[at];
    switch (below(world, 3)) {
    case 0:
        *term = (struct search_term){SEARCH_ATTRIBUTE, slice_text("kind"),
                                     slice_text(below(world, 2) ? "a" : "b")};
        break;
    case 1:
        snprintf(question->texts[at], 16, "%u", below(world, 400));
        *term = (struct search_term){SEARCH_ATTRIBUTE, slice_text("n"),
                                     slice_text(question->texts[at])};
        break;
    default:
        *term = (struct search_term){SEARCH_FIELD,
                                     slice_text(fields[below(world, 4)]),
                                     slice_text(wanted[below(world, 5)])};
    }
}

static void ask(struct world *world, struct question *question)
{
    struct message_query *query = &question->query;
    *question = (struct question){.query = {.any_state = true}};
    query->limit = 1 + below(world, 20);
    for (uint32_t i = below(world, 3); i > 0; i--)
        ask_term(world, question);
    query->terms = question->terms;
    if (below(world, 3) == 0)
        query->topic_id = world->topics[below(world, TOPICS)];
    if (below(world, 4) == 0)
        query->key = fixture_key_text((int)below(world, FIXTURE_KEYS));
    if (below(world, 5) == 0)
        query->text = slice_text("\"w4\"");
    if (below(world, 5) == 0)
        query->received_from_ms = FIRST_MS + below(world, 3000);
    if (below(world, 5) == 0)
        query->received_to_ms = FIRST_MS + below(world, 3000);
    if (below(world, 4) == 0) {
        query->any_state = false;
        query->state = below(world, 2) ? DELIVERY_DISCARDED
                                       : (enum delivery_state)below(world, 3);
    }
    if (below(world, 6) == 0)
        query->processed_from_ms = FIRST_MS + below(world, 3000);
    if (below(world, 3) == 0)
        query->looks_max = 1 + below(world, 40);
}

/* ---- The plain look ---- */

static bool has_term(const struct message *message,
                     const struct search_term *term)
{
    struct slice attributes = message->attributes;
    struct slice name;
    struct slice value;
    struct arena arena = {0};
    struct json_token *tokens;
    struct json_value found;
    uint32_t count;
    if (term->kind == SEARCH_ATTRIBUTE) {
        while (attribute_next(&attributes, &name, &value) == 0)
            if (slice_equal(name, term->name) &&
                slice_equal(value, term->value))
                return true;
        return false;
    }
    assert_int_equal(json_pointer_split(term->name, &arena, 9, &tokens, &count),
                     0);
    bool has = field_find(message->payload, tokens, count, &found) &&
               field_equals(&found, term->value);
    arena_close(&arena);
    return has;
}

/* Where it stands in the answer; id 0: not in it. */
static struct search_place place_of(const struct message_query *query,
                                    const struct message_view *view)
{
    const struct message *message = &view->message;
    bool processed = message_query_by_processed(query);
    uint64_t latest = 0;
    bool fits = !processed &&
                (query->any_state ||
                 (query->state == DELIVERY_SCHEDULED && view->position == 0));
    for (uint32_t i = 0; i < query->term_count; i++)
        if (!has_term(message, &query->terms[i]))
            return (struct search_place){0};
    if ((query->topic_id != 0 && query->topic_id != message->topic_id) ||
        (query->key.length > 0 && !slice_equal(query->key, message->key)) ||
        (query->text.length > 0 &&
         memmem(message->payload.data, message->payload.length,
                query->text.data, query->text.length) == NULL) ||
        message->received_ms < query->received_from_ms ||
        (query->received_to_ms != 0 &&
         message->received_ms > query->received_to_ms))
        return (struct search_place){0};
    for (uint32_t i = 0; i < view->delivery_count; i++) {
        const struct delivery *delivery = &view->deliveries[i];
        if (!query->any_state && delivery->state != query->state)
            continue;
        fits |= !processed;
        if (delivery->processed_ms != 0 &&
            delivery->processed_ms >= query->processed_from_ms &&
            delivery->processed_ms > latest)
            latest = delivery->processed_ms;
    }
    if (processed)
        return latest == 0
                   ? (struct search_place){0}
                   : (struct search_place){.ms = latest, .id = view->position};
    return fits ? (struct search_place){.id = message->id}
                : (struct search_place){0};
}

struct answer {
    struct search_place place;
    uint64_t id;
};

static int answer_order(const void *a, const void *b)
{
    struct search_place left = ((const struct answer *)a)->place;
    struct search_place right = ((const struct answer *)b)->place;
    if (left.ms != right.ms)
        return left.ms > right.ms ? -1 : 1;
    return left.id > right.id ? -1 : left.id < right.id;
}

static uint32_t plain_look(struct view *view, uint64_t last_id,
                           const struct message_query *query,
                           struct answer *answers)
{
    uint32_t count = 0;
    for (uint64_t id = 1; id <= last_id; id++) {
        struct arena arena = {0};
        struct message_view message;
        int rc = query_message(view, id, &arena, &message, NULL);
        if (rc == 0) {
            struct search_place place = place_of(query, &message);
            if (place.id != 0)
                answers[count++] = (struct answer){place, id};
        }
        assert_true(rc == 0 || rc == ERR_NOT_FOUND);
        arena_close(&arena);
    }
    qsort(answers, count, sizeof *answers, answer_order);
    return count;
}

static void compare(struct world *world, struct view *view,
                    struct message_query *query, const struct answer *answers,
                    uint32_t count)
{
    uint32_t at = 0;
    for (uint32_t pages = 0;; pages++) {
        struct arena arena = {0};
        struct error error = {0};
        struct message_page page;
        expect_ok(
            query_messages(view, world->index, query, &arena, &page, &error),
            &error);
        assert_true(page.count <= query->limit);
        for (uint32_t i = 0; i < page.count; i++, at++) {
            assert_true(at < count);
            assert_int_equal(page.messages[i].message.id, answers[at].id);
        }
        assert_true(page.cut || page.next.id == 0 ||
                    page.count == query->limit);
        arena_close(&arena);
        if (page.next.id == 0)
            break;
        assert_true(pages < 100000);
        query->before = page.next;
    }
    assert_int_equal(at, count);
}

static void questions(struct world *world)
{
    struct error error = {0};
    struct view *view;
    uint64_t last = world->last_id;
    struct answer *answers = memory_new((size_t)(last + 1) * sizeof *answers);
    expect_ok(view_begin(world->fixture.store, &view, &error), &error);
    for (uint32_t i = 0; i < QUESTIONS; i++) {
        struct question question;
        ask(world, &question);
        uint32_t count = plain_look(view, last, &question.query, answers);
        compare(world, view, &question.query, answers, count);
    }
    view_end(view);
    free(answers);
}

/* ---- Tests ---- */

static void test_the_index_never_changes_an_answer(void **state)
{
    uint64_t seed = random_seed(20261124);
    struct world world;
    (void)state;
    world_open(&world, seed);
    for (uint32_t i = 0; i < ROUNDS; i++) {
        publish(&world);
        live(&world);
        world.last_id += 60; /* Ids and positions of a round are fewer. */
        questions(&world);
    }
    world_close(&world);
}

static uint32_t looks_of(struct world *world, struct message_query query)
{
    struct error error = {0};
    struct view *view;
    struct message_page page;
    struct arena arena = {0};
    uint32_t pages = 0;
    query.any_state = true;
    query.limit = 10;
    query.looks_max = 1;
    expect_ok(view_begin(world->fixture.store, &view, &error), &error);
    do {
        expect_ok(
            query_messages(view, world->index, &query, &arena, &page, &error),
            &error);
        query.before = page.next;
        pages++;
    } while (page.next.id != 0);
    view_end(view);
    arena_close(&arena);
    return pages;
}

/* A look each for what the index leads to, and not for what lies beside it. */
static void test_the_index_spares_looks(void **state)
{
    struct world world;
    struct search_term term = {SEARCH_ATTRIBUTE, slice_text("n"),
                               slice_text("77")};
    struct message_query query = {.terms = &term, .term_count = 1};
    (void)state;
    world_open(&world, random_seed(5));
    for (uint32_t i = 0; i < 40; i++)
        publish(&world);
    uint32_t without = looks_of(&world, query);
    step(&world);
    uint32_t with = looks_of(&world, query);
    assert_true(without > 300);
    assert_true(with < 20);
    /* It is taken up where it was left, and goes no further back. */
    index_close(world.index);
    index_open_here(&world);
    step(&world);
    assert_int_equal(looks_of(&world, query), with);
    /* Nothing of a spoiled one is used, and it comes again by itself. */
    crash(&world);
    assert_int_equal(looks_of(&world, query), without);
    step(&world);
    assert_int_equal(looks_of(&world, query), with);
    world_close(&world);
}

/* Rows go with their messages. */
static void test_rows_of_what_has_gone_are_swept(void **state)
{
    struct world world;
    struct search_term term = {SEARCH_ATTRIBUTE, slice_text("kind"),
                               slice_text("a")};
    struct message_query query = {.terms = &term, .term_count = 1};
    (void)state;
    world_open(&world, random_seed(6));
    for (uint32_t i = 0; i < 20; i++)
        publish(&world);
    step(&world);
    assert_true(looks_of(&world, query) > 20);
    for (uint32_t i = 0; i < TOPICS; i++) {
        struct command_topic_delete deletion = {.topic_id = world.topics[i],
                                                .force = true};
        command_topic_delete_encode(&world.entry, world.now_ms, &deletion);
        command_topic_purge_encode(&world.entry, world.now_ms, world.topics[i],
                                   1000);
        apply(&world);
    }
    for (uint32_t i = 0; i < 20; i++)
        sweep(&world);
    assert_int_equal(looks_of(&world, query), 1);
    world_close(&world);
}

/* An index that has seen more than this store has, or another cluster. */
static void test_the_index_of_another_store_is_left(void **state)
{
    struct world ours;
    struct world theirs;
    (void)state;
    world_open(&ours, random_seed(7));
    world_open(&theirs, random_seed(8));
    for (uint32_t i = 0; i < 20; i++)
        publish(&theirs);
    step(&theirs);
    for (uint32_t i = 0; i < 3; i++)
        publish(&ours);
    index_close(ours.index);
    ours.index = theirs.index;
    ours.last_id = 400;
    questions(&ours);
    step(&ours);
    questions(&ours);
    assert_true(index_upto(ours.index) <= 3 * 30);
    theirs.index = NULL;
    world_close(&ours);
    world_close(&theirs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_index_never_changes_an_answer),
        cmocka_unit_test(test_the_index_spares_looks),
        cmocka_unit_test(test_rows_of_what_has_gone_are_swept),
        cmocka_unit_test(test_the_index_of_another_store_is_left),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
