/* Who changed what. */
#include "http/publisher_options.h"
#include "http/resources.h"

#include "base/bounds.h"

/* ---- Pictures ---- */

static void write_publisher(struct json_writer *json,
                            const struct audit_picture *picture)
{
    const struct publisher *publisher = &picture->publisher;
    json_write_begin(json, '{');
    json_member_u64(json, "id", publisher->id);
    json_member_u64(json, "topic_id", publisher->topic_id);
    publisher_options_write(json, &publisher->options, false);
    json_member_boolean(json, "active", !publisher->paused);
    json_member_text_or_null(json, "state_reason", publisher->pause_reason);
    json_member_text_or_null(json, "paused_by", publisher->paused_by);
    json_member_u64(json, "backlog", picture->backlog);
    json_member_time(json, "created_at", publisher->created_ms);
    json_member_time(json, "updated_at", publisher->updated_ms);
    json_write_end(json, '}');
}

static void write_deliveries(struct json_writer *json, struct slice deliveries)
{
    struct decoder in = decoder_of(deliveries);
    json_write_begin(json, '{');
    json_write_name(json, "deliveries");
    json_write_begin(json, '[');
    while (decoder_left(&in) > 0) {
        uint32_t publisher = decoder_u32(&in);
        uint8_t state = decoder_u8(&in);
        json_write_begin(json, '{');
        json_member_u64(json, "publisher", publisher);
        json_member_string(json, "state",
                           delivery_state_text((enum delivery_state)state));
        json_write_end(json, '}');
    }
    json_write_end(json, ']');
    json_write_end(json, '}');
}

static void write_number(struct json_writer *json, const char *name,
                         uint64_t number)
{
    json_write_begin(json, '{');
    json_member_u64_or_null(json, name, number);
    json_write_end(json, '}');
}

static void write_picture(struct json_writer *json, const char *name,
                          enum audit_action action,
                          const struct audit_picture *picture)
{
    json_write_name(json, name);
    if (!picture->there) {
        json_write_null(json);
        return;
    }
    if (action == AUDIT_TOPIC_EXPIRE) {
        write_number(json, "removed", picture->removed);
        return;
    }
    switch (audit_kind_of(action)) {
    case AUDIT_OF_TOPIC:
        topic_write(json, &picture->topic);
        break;
    case AUDIT_OF_PUBLISHER:
        write_publisher(json, picture);
        break;
    case AUDIT_OF_MESSAGE:
        write_deliveries(json, picture->deliveries);
        break;
    case AUDIT_OF_REPLAY:
        json_write_begin(json, '{');
        replay_write(json, &picture->replay);
        json_write_end(json, '}');
        break;
    case AUDIT_OF_TOKEN:
        token_write(json, &picture->token);
        break;
    case AUDIT_OF_LEADER:
        write_number(json, "leader", picture->node_id);
        break;
    }
}

/* ---- The list ---- */

static void write_entry(struct json_writer *json,
                        const struct audit_entry *entry)
{
    char subject[AUDIT_SUBJECT_SIZE];
    const struct audit_row *row = &entry->row;
    json_write_begin(json, '{');
    json_member_u64(json, "id", entry->id);
    json_member_time(json, "at", row->time_ms);
    json_member_text(json, "who", row->who);
    json_member_string(json, "action", audit_action_text(row->action));
    json_member_text(json, "subject", audit_subject(row, subject));
    json_member_text_or_null(json, "request_id", row->request_id);
    write_picture(json, "before", row->action, &entry->before);
    write_picture(json, "after", row->action, &entry->after);
    json_write_end(json, '}');
}

static void on_list(struct request *request,
                    const struct backend_result *result)
{
    const struct audit_page *page = result->audit;
    struct json_writer json = request_data_begin(request);
    json_write_begin(&json, '[');
    for (uint32_t i = 0; i < page->count; i++)
        write_entry(&json, &page->entries[i]);
    request_page_end(request, &json, 'a', page->next);
}

static bool is_action(struct slice text)
{
    for (int i = 1; i <= AUDIT_ACTION_LAST; i++)
        if (slice_is(text, audit_action_text((enum audit_action)i)))
            return true;
    return false;
}

void audit_list(struct request *request)
{
    const struct backend *backend = request_backend(request);
    struct problem problem = {0};
    struct audit_query query = {0};
    query_string_get(&request->query, "who", &query.who);
    query_string_get(&request->query, "subject", &query.subject);
    if (query_string_get(&request->query, "action", &query.action) &&
        !is_action(query.action))
        problem_parameter(&problem, "action", PROBLEM_INVALID);
    query_string_page(&request->query, 'a', UINT64_MAX, &query.before,
                      &query.limit, &problem);
    if (!request_failed(request, &problem))
        backend->audit_list(backend->context, request_wait(request, on_list),
                            request->consistency, &query);
}
