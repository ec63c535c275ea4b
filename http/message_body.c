/* The bodies that publish. The payload is never read, only checked and cut
 * out; attributes are encoded as they are walked. This is the path of every
 * message: without escapes in it nothing is allocated. */
#include "base/bounds.h"
#include "http/request_body.h"
#include "storage/command.h"

static const char *const names[] = {"topic", "payload",     "attributes",
                                    "key",   "schedule_at", NULL};

struct attribute_walk {
    struct slice names[BOUND_ATTRIBUTES];
    unsigned count;
    size_t bytes; /* Names and values. */
};

/* Adds one attribute; NULL, or what is wrong with it. */
static const char *add_attribute(struct attribute_walk *walk, struct slice name,
                                 const struct json_value *value,
                                 struct arena *arena, struct encoder *out)
{
    struct slice text;
    if (name.length == 0 || name.length > BOUND_ATTRIBUTE_NAME)
        return "has a name that is not 1 to 256 bytes long";
    if (value->kind != KIND_STRING || json_value_text(value, arena, &text) != 0)
        return PROBLEM_INVALID;
    if (text.length > BOUND_ATTRIBUTE_VALUE)
        return "is longer than 1024 bytes";
    for (unsigned i = 0; i < walk->count; i++)
        if (slice_equal(walk->names[i], name))
            return "is given twice";
    walk->names[walk->count++] = name;
    walk->bytes += name.length + text.length;
    attribute_encode(out, name, text);
    return NULL;
}

/* The size of names and values; errors go to the problem. */
static size_t read_attributes(struct body_fields *fields, struct encoder *out)
{
    const struct json_value *object = body_fields_filled(fields, "attributes");
    if (object == NULL) {
        problem_field(fields->problem, "attributes", PROBLEM_BLANK);
        return 0;
    }
    if (object->kind != KIND_OBJECT) {
        problem_field(fields->problem, "attributes", PROBLEM_INVALID);
        return 0;
    }
    struct attribute_walk walk;
    walk.count = 0;
    walk.bytes = 0;
    struct json_scan scan = json_scan_of(object->span);
    struct json_value name, value;
    json_scan_enter(&scan, KIND_OBJECT);
    while (json_scan_member(&scan, &name, &value)) {
        if (walk.count == BOUND_ATTRIBUTES) {
            problem_field(fields->problem, "attributes",
                          "has more than 100 members");
            break;
        }
        struct slice decoded = {0};
        const char *fault = PROBLEM_INVALID;
        if (json_value_text(&name, fields->arena, &decoded) == 0)
            fault = add_attribute(&walk, decoded, &value, fields->arena, out);
        if (fault != NULL)
            problem_element(fields->problem, "attributes", decoded, fault);
    }
    return walk.bytes;
}

/* What has been scanned, all but the payload's size. */
static bool read_shared(struct body_fields *fields, enum body_schedule schedule,
                        struct encoder *attributes, struct message *ret_message,
                        struct slice *ret_topic, size_t *ret_bytes)
{
    struct problem *problem = fields->problem;
    *ret_message = (struct message){0};
    *ret_topic = slice_of(NULL, 0);
    *ret_bytes = 0;
    if (body_fields_text(fields, "topic", BODY_REQUIRED, BOUND_TOPIC_NAME,
                         ret_topic) &&
        !topic_name_is_valid(*ret_topic))
        problem_field(problem, "topic", PROBLEM_INVALID);
    if (body_fields_value(fields, "payload") == NULL)
        problem_field(problem, "payload", PROBLEM_BLANK);
    *ret_bytes = read_attributes(fields, attributes);
    if (body_fields_text(fields, "key", BODY_OPTIONAL, BOUND_KEY,
                         &ret_message->key))
        *ret_bytes += ret_message->key.length;
    body_fields_time(fields, "schedule_at",
                     schedule == BODY_LATER ? BODY_REQUIRED : BODY_OPTIONAL,
                     &ret_message->schedule_ms);
    ret_message->attributes = encoder_slice(attributes);
    return problem->status == 0;
}

static bool set_payload(struct message *message, struct slice payload,
                        size_t other_bytes, const struct body_limits *limits,
                        struct problem *problem)
{
    message->payload = payload;
    if (payload.length + other_bytes <= limits->message_bytes_max)
        return true;
    problem_set(problem, 413, "too_large",
                "The message is larger than this node takes: its payload, "
                "attributes and key count (--max-message-bytes).");
    return false;
}

static void
read_message(struct body_fields *fields, enum body_schedule schedule,
             const struct body_limits *limits, struct encoder *attributes,
             struct message *ret_message, struct backend_publish *ret_publish)
{
    struct slice topic;
    size_t bytes;
    if (!read_shared(fields, schedule, attributes, ret_message, &topic, &bytes))
        return;
    set_payload(ret_message, body_fields_value(fields, "payload")->span, bytes,
                limits, fields->problem);
    *ret_publish = (struct backend_publish){
        .topic = topic, .messages = ret_message, .count = 1};
}

void request_body_message(struct slice body, enum body_schedule schedule,
                          const struct body_limits *limits, struct arena *arena,
                          struct encoder *attributes, struct problem *problem,
                          struct message *ret_message,
                          struct backend_publish *ret_publish)
{
    struct body_fields fields;
    if (body_fields_scan(&fields, body, names, arena, problem))
        read_message(&fields, schedule, limits, attributes, ret_message,
                     ret_publish);
}

void request_body_line(struct slice line, const struct body_limits *limits,
                       struct arena *arena, struct encoder *attributes,
                       struct problem *problem, struct message *ret_message,
                       struct backend_publish *ret_publish)
{
    struct body_fields fields;
    if (body_fields_scan_strict(&fields, line, names, arena, problem))
        read_message(&fields, BODY_NOW_OR_LATER, limits, attributes,
                     ret_message, ret_publish);
}

bool request_body_next_line(struct slice *body, struct slice *ret_line)
{
    while (body->length > 0) {
        const uint8_t *end = memchr(body->data, '\n', body->length);
        size_t length = end == NULL ? body->length : (size_t)(end - body->data);
        *ret_line = slice_of(body->data, length);
        size_t taken = end == NULL ? length : length + 1;
        *body = slice_of(body->data + taken, body->length - taken);
        for (size_t i = 0; i < length; i++)
            if (strchr(" \t\r", ret_line->data[i]) == NULL ||
                ret_line->data[i] == '\0')
                return true;
    }
    return false;
}

/* Cuts the list into messages that are otherwise like `shared`. One walk: it
 * is the second over a body that may be the largest allowed, and the loop
 * waits for it. */
static void split(struct slice list, const struct message *shared,
                  size_t shared_bytes, const struct body_limits *limits,
                  struct arena *arena, struct problem *problem,
                  struct backend_publish *publish)
{
    struct message *messages =
        arena_take(arena, limits->bulk_messages_max * sizeof *messages);
    uint32_t count = 0;
    struct json_scan scan = json_scan_of(list);
    struct json_value item;
    json_scan_enter(&scan, KIND_ARRAY);
    while (json_scan_item(&scan, &item)) {
        if (count == limits->bulk_messages_max) {
            problem_set(problem, 406, "too_many",
                        "The list holds more messages than one request may "
                        "(--max-bulk-messages).");
            return;
        }
        messages[count] = *shared;
        if (!set_payload(&messages[count++], item.span, shared_bytes, limits,
                         problem))
            return;
    }
    publish->messages = messages;
    publish->count = count;
}

void request_body_bulk(struct slice body, const struct body_limits *limits,
                       struct arena *arena, struct encoder *attributes,
                       struct problem *problem,
                       struct backend_publish *ret_publish)
{
    struct body_fields fields;
    struct message shared;
    struct slice topic;
    size_t bytes;
    if (!body_fields_scan(&fields, body, names, arena, problem))
        return;
    bool sound = read_shared(&fields, BODY_NOW_OR_LATER, attributes, &shared,
                             &topic, &bytes);
    const struct json_value *list = body_fields_value(&fields, "payload");
    if (list != NULL && list->kind != KIND_ARRAY) {
        problem_field(problem, "payload", PROBLEM_INVALID);
        return;
    }
    if (!sound || list == NULL)
        return;
    *ret_publish = (struct backend_publish){.topic = topic};
    split(list->span, &shared, bytes, limits, arena, problem, ret_publish);
}
