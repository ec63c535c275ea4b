/* Writing down who changed what (audit.h): a picture before, the change, a
 * picture behind it, a row. */
#include "storage/apply.h"
#include "storage/audit.h"
#include "storage/exception.h"
#include "storage/position.h"

#define MASK "***"
enum {
    DAY_MS = 24 * 3600 * 1000,
    HOUR_MS = 3600 * 1000,
    /* Old rows that a new one removes at most: more than it adds, so that the
     * table shrinks again. */
    TRIM_MAX = 4,
};

/* What a command is about. */
struct subject {
    enum audit_action action;
    uint64_t id;
    uint32_t publisher_id; /* Of a decision; 0: all. */
    struct slice name;     /* In the command's arena. */
};

/* ---- Pictures ---- */

static int picture_topic(struct store *store, struct subject *subject,
                         struct encoder *out, struct error *error)
{
    struct topic_options options;
    const struct topic_state *topic =
        machine_topic(store, (uint32_t)subject->id);
    if (topic == NULL)
        return 0;
    if (topic_options_decode(topic->row.options, &options) != 0)
        return error_set(error, ERR_CORRUPT, "options of topic %u", topic->id);
    subject->name = arena_copy(&store->arena, options.name);
    topic_row_encode(out, &topic->row);
    return 0;
}

static void mask(struct slice *secret)
{
    if (secret->length > 0)
        *secret = slice_text(MASK);
}

/* Names stay: values may be keys to the target. */
static struct slice masked_headers(struct store *store, struct slice headers)
{
    struct encoder list = {0};
    struct slice name, value;
    while (text_list_next(&headers, &name) == 0 &&
           text_list_next(&headers, &value) == 0) {
        text_list_add(&list, name);
        text_list_add(&list, slice_text(MASK));
    }
    struct slice masked = list.length == 0
                              ? slice_of(NULL, 0)
                              : arena_copy(&store->arena, encoder_slice(&list));
    encoder_close(&list);
    return masked;
}

static void mask_options(struct store *store, struct publisher_options *options)
{
    mask(&options->secret);
    mask(&options->previous_secret);
    mask(&options->basic_auth);
    mask(&options->bearer_token);
    options->headers = masked_headers(store, options->headers);
}

static int picture_publisher(struct store *store, struct subject *subject,
                             struct encoder *out, struct error *error)
{
    struct publisher_row row = {0};
    struct slice content;
    const struct publisher_state *publisher =
        machine_publisher(store, (uint32_t)subject->id);
    if (publisher == NULL)
        return 0;
    struct key key = key_of_u32(publisher->id);
    int rc = record_get(&store->transaction, DATABASE_PUBLISHER,
                        key_slice(&key), &content, error);
    if (rc == 0)
        rc = publisher_row_decode(content, &row);
    if (rc != 0)
        return record_error(error, rc == ERR_NOT_FOUND ? ERR_CORRUPT : rc,
                            DATABASE_PUBLISHER, key_slice(&key));
    const struct topic_state *topic = machine_topic(store, row.topic_id);
    mask_options(store, &row.options);
    encoder_u64(out, hot_backlog(&publisher->hot, topic->row.messages));
    publisher_row_encode(out, &row);
    return 0;
}

/* What a decision can meet; false: it cannot change this one. */
static bool state_at(struct store *store,
                     const struct publisher_state *publisher, uint64_t position,
                     enum delivery_state *ret_state, int *ret_rc,
                     struct error *error)
{
    struct exception_row row;
    *ret_rc = exception_get(&store->transaction, publisher->id, position, &row,
                            error);
    if (*ret_rc == 0) {
        *ret_state = row.state;
        return true;
    }
    if (*ret_rc != ERR_NOT_FOUND)
        return false;
    *ret_rc = 0;
    *ret_state = DELIVERY_PENDING;
    return position >= publisher->hot.next;
}

static int picture_message(struct store *store, struct subject *subject,
                           struct encoder *out, struct error *error)
{
    struct message_place place;
    uint32_t told = 0;
    int rc = apply_gathered(store, error); /* It may be of this very entry. */
    if (rc == 0)
        rc = message_place(&store->transaction, subject->id, &place, error);
    if (rc == ERR_NOT_FOUND)
        return 0;
    for (uint32_t id = 0; rc == 0 && id < store->publishers.capacity; id++) {
        enum delivery_state state;
        const struct publisher_state *publisher = machine_publisher(store, id);
        if (publisher == NULL || publisher->topic_id != place.topic_id ||
            place.position < publisher->hot.start ||
            (subject->publisher_id != 0 && subject->publisher_id != id) ||
            told == BOUND_AUDIT_DELIVERIES ||
            !state_at(store, publisher, place.position, &state, &rc, error))
            continue;
        encoder_u32(out, id);
        encoder_u8(out, (uint8_t)state);
        told++;
    }
    return rc;
}

static int picture_replay(struct store *store, const struct subject *subject,
                          struct encoder *out, struct error *error)
{
    struct key key = key_of_u32((uint32_t)subject->id);
    struct slice content;
    int rc = record_get(&store->transaction, DATABASE_REPLAY, key_slice(&key),
                        &content, error);
    if (rc == 0)
        encoder_bytes(out, content);
    return rc == ERR_NOT_FOUND ? 0 : rc;
}

static int picture_token(struct store *store, struct subject *subject,
                         struct encoder *out, struct error *error)
{
    struct token token;
    struct key key = key_of_u32((uint32_t)subject->id);
    struct slice content;
    int rc = record_get(&store->transaction, DATABASE_TOKEN, key_slice(&key),
                        &content, error);
    if (rc == ERR_NOT_FOUND)
        return 0;
    if (rc == 0)
        rc = token_row_decode((uint32_t)subject->id, content, &token);
    if (rc != 0)
        return record_error(error, rc, DATABASE_TOKEN, key_slice(&key));
    memset(token.digest, 0, sizeof token.digest);
    subject->name = arena_copy(&store->arena, token.name);
    token_row_encode(out, &token);
    return 0;
}

/* Into the command's arena; empty: it is not there. */
static int take_picture(struct store *store, struct subject *subject,
                        struct slice *ret_picture, struct error *error)
{
    struct encoder out = {0};
    int rc = 0;
    switch (audit_kind_of(subject->action)) {
    case AUDIT_OF_TOPIC:
        rc = picture_topic(store, subject, &out, error);
        break;
    case AUDIT_OF_PUBLISHER:
        rc = picture_publisher(store, subject, &out, error);
        break;
    case AUDIT_OF_MESSAGE:
        rc = picture_message(store, subject, &out, error);
        break;
    case AUDIT_OF_REPLAY:
        rc = picture_replay(store, subject, &out, error);
        break;
    case AUDIT_OF_TOKEN:
        rc = picture_token(store, subject, &out, error);
        break;
    case AUDIT_OF_LEADER:
        break;
    }
    *ret_picture = out.length == 0
                       ? slice_of(NULL, 0)
                       : arena_copy(&store->arena, encoder_slice(&out));
    encoder_close(&out);
    return rc;
}

/* ---- Rows ---- */

/* At most one row goes; *ret_done: there is none that must. */
static int trim_one(struct store *store, bool *ret_done, struct error *error)
{
    struct cursor cursor = {0};
    struct audit_row row;
    uint64_t count = 0;
    const uint64_t kept_ms = (uint64_t)BOUND_AUDIT_DAYS * DAY_MS;
    *ret_done = true;
    int rc = record_count(&store->transaction, DATABASE_AUDIT, &count, error);
    if (rc == 0)
        rc = cursor_open(&store->transaction, DATABASE_AUDIT, &cursor, error);
    if (rc == 0)
        rc = cursor_seek(&cursor, slice_of(NULL, 0), error);
    if (rc == 0 && audit_row_decode(cursor.content, &row) != 0)
        rc = record_error(error, ERR_CORRUPT, DATABASE_AUDIT, cursor.key);
    if (rc == 0 && (count > BOUND_AUDIT_ROWS ||
                    row.time_ms + kept_ms < store->global.clock_ms)) {
        *ret_done = false;
        rc = cursor_delete(&cursor, error);
    }
    cursor_close(&cursor);
    return rc == ERR_END ? 0 : rc;
}

static int row_put(struct store *store, uint64_t id,
                   const struct audit_row *row, struct error *error)
{
    struct key key = key_of_u64(id);
    audit_row_encode(machine_scratch(store), row);
    return record_put(&store->transaction, DATABASE_AUDIT, key_slice(&key),
                      encoder_slice(&store->scratch), error);
}

static int row_add(struct store *store, const struct audit_row *row,
                   struct error *error)
{
    bool done = false;
    int rc = row_put(store, store->global.next_audit_id++, row, error);
    for (unsigned i = 0; rc == 0 && !done && i < TRIM_MAX; i++)
        rc = trim_one(store, &done, error);
    return rc;
}

/* ---- Commands ---- */

/* What the body says of the subject. */
static int read_subject(const struct command *command, struct subject *subject)
{
    struct decoder in = decoder_of(command->body);
    switch ((enum command_type)command->type) {
    case COMMAND_TOPIC_CREATE:
    case COMMAND_PUBLISHER_CREATE:
    case COMMAND_REPLAY_START:
    case COMMAND_TOKEN_CREATE:
        return 0; /* It has no id yet. */
    case COMMAND_RETRY:
    case COMMAND_DISCARD:
        subject->id = decoder_u64(&in);
        subject->publisher_id = decoder_u32(&in);
        break;
    case COMMAND_PUBLISHER_PAUSE:
        subject->id = decoder_u32(&in);
        if (decoder_u8(&in) == 0)
            subject->action = AUDIT_PUBLISHER_RESUME;
        break;
    case COMMAND_PUBLISHER_UPDATE:
        subject->id = decoder_u32(&in);
        if (decoder_u8(&in) != 0)
            subject->action = AUDIT_PUBLISHER_ROTATE;
        break;
    default:
        subject->id = decoder_u32(&in);
        break;
    }
    return in.failed ? ERR_CORRUPT : 0;
}

/* A transfer's pictures are the nodes that it names. */
static int transfer_pictures(struct store *store, const struct command *command,
                             struct audit_row *row)
{
    struct command_transfer transfer;
    uint8_t pictures[2][4];
    int rc = command_transfer_decode(command->body, &transfer);
    if (rc != 0)
        return rc;
    put_u32(pictures[0], transfer.from);
    put_u32(pictures[1], transfer.to);
    row->before = arena_copy(&store->arena, slice_of(pictures[0], 4));
    row->after = arena_copy(&store->arena, slice_of(pictures[1], 4));
    return 0;
}

/* Some commands are carried out without changing anything. */
static bool has_changed(const struct command *command,
                        const struct command_result *result)
{
    bool counts = command->type == COMMAND_RETRY ||
                  command->type == COMMAND_DISCARD ||
                  command->type == COMMAND_REPLAY_CANCEL;
    return result->code == 0 && (!counts || result->count > 0);
}

int audit_apply(struct store *store, const struct command *command,
                apply_function *function, struct command_result *result,
                struct error *error)
{
    struct subject subject = {0};
    struct audit_row row = {.who = command->author.who,
                            .request_id = command->author.request_id};
    if (!audit_action_of(command->type, &subject.action) ||
        read_subject(command, &subject) != 0)
        return apply_malformed(error, ERR_CORRUPT, "signed");
    int rc =
        subject.id == 0 ? 0 : take_picture(store, &subject, &row.before, error);
    if (rc == 0)
        rc = function(store, command, result, error);
    if (rc != 0 || !has_changed(command, result))
        return rc;
    subject.id = result->id;
    rc = take_picture(store, &subject, &row.after, error);
    if (rc == 0 && command->type == COMMAND_TRANSFER)
        rc = transfer_pictures(store, command, &row);
    if (rc != 0)
        return rc;
    row.time_ms = store->global.clock_ms;
    row.action = subject.action;
    row.subject_id = subject.id;
    row.subject_name = subject.name;
    return row_add(store, &row, error);
}

/* ---- What the system removes ---- */

/* This hour's row of the topic, in the arena; false: there is none. */
static bool hour_get(struct store *store, const struct topic_state *topic,
                     struct audit_row *ret_row)
{
    struct key key = key_of_u64(topic->row.audit_id);
    struct slice content;
    return topic->row.audit_id != 0 &&
           record_get(&store->transaction, DATABASE_AUDIT, key_slice(&key),
                      &content, NULL) == 0 &&
           audit_row_decode(arena_copy(&store->arena, content), ret_row) == 0 &&
           ret_row->after.length == sizeof(uint64_t) &&
           ret_row->time_ms / HOUR_MS == store->global.clock_ms / HOUR_MS;
}

int audit_expired(struct store *store, struct topic_state *topic,
                  uint32_t count, struct error *error)
{
    struct audit_row row;
    struct topic_options options;
    uint8_t total[sizeof(uint64_t)];
    if (hour_get(store, topic, &row)) {
        put_u64(total, get_u64(row.after.data) + count);
        row.after = slice_of(total, sizeof total);
        return row_put(store, topic->row.audit_id, &row, error);
    }
    if (topic_options_decode(topic->row.options, &options) != 0)
        return error_set(error, ERR_CORRUPT, "options of topic %u", topic->id);
    put_u64(total, count);
    row = (struct audit_row){.time_ms = store->global.clock_ms,
                             .action = AUDIT_TOPIC_EXPIRE,
                             .subject_id = topic->id,
                             .subject_name = options.name,
                             .who = slice_text("system"),
                             .after = slice_of(total, sizeof total)};
    topic->row.audit_id = store->global.next_audit_id;
    machine_touch_topic(store, topic);
    return row_add(store, &row, error);
}
