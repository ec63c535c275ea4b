/* Bodies of requests, by route: whatever is sent, either the problem names what
 * is wrong, or what was read can be stored: it survives being encoded as the
 * command that it becomes. */
#include "fuzz.h"

#include "base/bounds.h"
#include "http/request_body.h"
#include "storage/command.h"

static const struct body_limits limits = {.message_bytes_max = 2048,
                                          .bulk_messages_max = 8};

/* Each as the log would carry it. */
static void check_messages(const struct backend_publish *publish)
{
    struct encoder out = {0};
    for (uint32_t i = 0; i < publish->count; i++) {
        const struct message *message = &publish->messages[i];
        struct message read;
        out.length = 0;
        message_encode(&out, message);
        FUZZ_CHECK(out.length == message_encoded_size(message));
        struct slice records = encoder_slice(&out);
        FUZZ_CHECK(message_next(&records, &read) == 0);
        FUZZ_CHECK(records.length == 0);
        FUZZ_CHECK(slice_equal(read.payload, message->payload));
        FUZZ_CHECK(slice_equal(read.key, message->key));
        FUZZ_CHECK(slice_equal(read.attributes, message->attributes));
        FUZZ_CHECK(read.schedule_ms == message->schedule_ms);
    }
    encoder_close(&out);
}

static void check_topic(const struct topic_options *options)
{
    struct encoder out = {0};
    struct topic_options read;
    topic_options_encode(&out, options);
    FUZZ_CHECK(topic_options_decode(encoder_slice(&out), &read) == 0);
    FUZZ_CHECK(slice_equal(read.name, options->name));
    encoder_close(&out);
}

static void check_publisher(const struct publisher_options *options)
{
    struct encoder out = {0};
    struct publisher_options read;
    publisher_options_encode(&out, options);
    FUZZ_CHECK(publisher_options_decode(encoder_slice(&out), &read) == 0);
    FUZZ_CHECK(slice_equal(read.target, options->target));
    FUZZ_CHECK(slice_equal(read.headers, options->headers));
    encoder_close(&out);
}

struct desk {
    struct arena arena;
    struct encoder attributes;
    struct problem problem;
};

static void read_messages(struct desk *desk, struct slice body, unsigned which)
{
    struct message message;
    struct backend_publish publish = {0};
    if (which == 0)
        request_body_message(body, BODY_NOW_OR_LATER, &limits, &desk->arena,
                             &desk->attributes, &desk->problem, &message,
                             &publish);
    else if (which == 1)
        request_body_message(body, BODY_LATER, &limits, &desk->arena,
                             &desk->attributes, &desk->problem, &message,
                             &publish);
    else
        request_body_bulk(body, &limits, &desk->arena, &desk->attributes,
                          &desk->problem, &publish);
    if (desk->problem.status == 0)
        check_messages(&publish);
}

static void read_topics(struct desk *desk, struct slice body, bool change)
{
    struct topic_options options;
    struct backend_topic_change changed;
    if (change) {
        request_body_topic_change(body, &desk->arena, &desk->problem, &changed);
    } else {
        request_body_topic(body, &desk->arena, &desk->problem, &options);
        if (desk->problem.status == 0)
            check_topic(&options);
    }
}

static void read_publishers(struct desk *desk, struct slice body, bool change)
{
    struct backend_publisher_create create;
    struct backend_publisher_change changed;
    if (change) {
        request_body_publisher_change(body, &desk->arena, &desk->problem,
                                      &changed);
    } else {
        request_body_publisher(body, &desk->arena, &desk->problem, &create);
        if (desk->problem.status == 0)
            check_publisher(&create.options);
    }
}

static void read_others(struct desk *desk, struct slice body, unsigned which)
{
    struct slice reason;
    struct backend_replay replay;
    uint32_t number;
    switch (which) {
    case 0:
        request_body_pause(body, &desk->arena, &desk->problem, &reason);
        break;
    case 1:
        request_body_decision(body, &desk->arena, &desk->problem, &number);
        break;
    case 2:
        request_body_replay(body, &desk->arena, &desk->problem, &replay);
        break;
    case 3:
        request_body_transfer(body, &desk->arena, &desk->problem, &number);
        break;
    default:
        request_body_none(body, &desk->arena, &desk->problem);
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice input = slice_of(data, size);
    struct desk desk = {.problem = {0}};
    struct encoder answer = {0};
    unsigned which = fuzz_choose(&input, 12);
    uint8_t *copy = fuzz_copy(input);
    struct slice body = slice_of(copy, input.length);
    if (which < 3)
        read_messages(&desk, body, which);
    else if (which < 5)
        read_topics(&desk, body, which == 4);
    else if (which < 7)
        read_publishers(&desk, body, which == 6);
    else
        read_others(&desk, body, which - 7);
    if (desk.problem.status != 0)
        problem_write(&desk.problem, slice_text("/api"), slice_text("id"),
                      &answer);
    encoder_close(&answer);
    encoder_close(&desk.attributes);
    arena_close(&desk.arena);
    free(copy);
    return 0;
}
