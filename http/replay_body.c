/* The bodies that decide what becomes of messages: retry, discard, replay. */
#include "base/bounds.h"
#include "http/request_body.h"

#include <assert.h>

void request_body_decision(struct slice body, struct arena *arena,
                           struct problem *problem, uint32_t *ret_publisher)
{
    static const char *const names[] = {"publisher", NULL};
    struct body_fields fields;
    *ret_publisher = 0;
    if (body_fields_scan_strict(&fields, body, names, arena, problem))
        body_fields_integer(&fields, "publisher", 1, UINT32_MAX, ret_publisher);
}

/* A message's id, or a time. */
static void read_edge(struct body_fields *fields, const char *name,
                      struct replay_edge *edge)
{
    const struct json_value *value = body_fields_filled(fields, name);
    if (value != NULL && value->kind == KIND_NUMBER)
        body_fields_integer_u64(fields, name, 1, (UINT64_C(1) << 53) - 1,
                                &edge->id);
    else
        edge->timed = body_fields_time(fields, name, BODY_OPTIONAL, &edge->ms);
}

/* What is waiting is sent anyhow. */
static void read_state(struct body_fields *fields,
                       struct backend_replay *replay)
{
    static const char *const words[] = {"ambiguous", "dead",     "discarded",
                                        "delivered", "filtered", NULL};
    uint32_t index;
    replay->any_state = true;
    if (body_fields_choice(fields, "state", words, &index)) {
        replay->any_state = false;
        replay->state = DELIVERY_AMBIGUOUS + index;
    }
}
static_assert(DELIVERY_FILTERED == DELIVERY_AMBIGUOUS + 4,
              "the settled states follow each other");

void request_body_replay(struct slice body, struct arena *arena,
                         struct problem *problem,
                         struct backend_replay *ret_replay)
{
    static const char *const names[] = {"from",   "to",      "state",
                                        "filter", "dry_run", NULL};
    struct body_fields fields;
    *ret_replay = (struct backend_replay){0};
    if (!body_fields_scan_strict(&fields, body, names, arena, problem))
        return;
    read_edge(&fields, "from", &ret_replay->from);
    read_edge(&fields, "to", &ret_replay->to);
    read_state(&fields, ret_replay);
    body_fields_filter(&fields, "filter", &ret_replay->filter);
    body_fields_boolean(&fields, "dry_run", BODY_OPTIONAL,
                        &ret_replay->dry_run);
}
