#include "http/event_text.h"

static const char *const names[EVENT_TYPES] = {
    [EVENT_TOPIC] = "topic",     [EVENT_PUBLISHER] = "publisher",
    [EVENT_CIRCUIT] = "circuit", [EVENT_DEAD] = "dead",
    [EVENT_LEADER] = "leader",   [EVENT_STATS] = "stats",
};

static void write_data(struct json_writer *json,
                       const struct backend_event *event)
{
    switch (event->type) {
    case EVENT_TOPIC:
        json_member_u64(json, "topic_id", event->id);
        json_member_text(json, "topic", event->topic);
        json_member_string(json, "action", event->action);
        return;
    case EVENT_PUBLISHER:
    case EVENT_CIRCUIT:
        json_member_u64(json, "publisher", event->id);
        json_member_text(json, "topic", event->topic);
        json_member_string(json, "action", event->action);
        return;
    case EVENT_DEAD:
        json_member_u64(json, "publisher", event->id);
        json_member_text(json, "topic", event->topic);
        json_member_u64(json, "dead", event->dead);
        json_member_u64(json, "ambiguous", event->ambiguous);
        return;
    case EVENT_LEADER:
        json_member_u64_or_null(json, "leader", event->id);
        json_member_u64(json, "term", event->term);
        return;
    case EVENT_STATS:
        point_write(json, &event->point);
        return;
    }
}

void event_text_write(struct encoder *out, const struct backend_event *event)
{
    encoder_print(out, "event: %s\ndata: ", names[event->type]);
    struct json_writer json = json_writer_of(out);
    json_write_begin(&json, '{');
    write_data(&json, event);
    json_write_end(&json, '}');
    encoder_bytes(out, slice_text("\n\n"));
}

static bool read_type(struct slice name, uint32_t *types)
{
    for (unsigned type = 0; type < EVENT_TYPES; type++) {
        if (!slice_is(name, names[type]))
            continue;
        *types |= 1u << type;
        return true;
    }
    return false;
}

bool event_types_read(struct slice list, uint32_t *ret_types)
{
    uint32_t types = 0;
    for (;;) {
        const uint8_t *comma =
            list.length == 0 ? NULL : memchr(list.data, ',', list.length);
        size_t length =
            comma == NULL ? list.length : (size_t)(comma - list.data);
        if (!read_type(slice_of(list.data, length), &types))
            return false;
        if (comma == NULL)
            break;
        list = slice_of(comma + 1, list.length - length - 1);
    }
    *ret_types = types;
    return true;
}

void point_write(struct json_writer *json, const struct backend_point *point)
{
    json_member_time(json, "at", point->at_ms);
    json_member_u64(json, "published", point->published);
    json_member_u64(json, "delivered", point->delivered);
    json_member_u64(json, "failed", point->failed);
    json_member_u64(json, "dead", point->dead);
    json_member_u64(json, "backlog", point->backlog);
}
