/* What is asked of one message: what needs least comes first, and deliveries,
 * of which each must be derived from several rows, come last. */
#include "storage/search_field.h"
#include "storage/search_inside.h"

#include "storage/command.h"

/* ---- The message itself ---- */

int search_compile(struct search *search, struct error *error)
{
    const struct message_query *query = search->query;
    search->pointers = arena_take(&search->arena, (query->term_count + 1) *
                                                      sizeof *search->pointers);
    for (uint32_t i = 0; i < query->term_count; i++) {
        struct search_pointer *pointer = &search->pointers[i];
        const struct search_term *term = &query->terms[i];
        *pointer = (struct search_pointer){0};
        if (term->kind == SEARCH_FIELD &&
            json_pointer_split(term->name, &search->arena, BOUND_FILTER_DEPTH,
                               &pointer->tokens, &pointer->count) != 0)
            return error_set(error, ERR_INVALID, "field %.*s: not a pointer",
                             (int)term->name.length, term->name.data);
    }
    return 0;
}

static bool has_attribute(struct slice attributes,
                          const struct search_term *term)
{
    struct slice name;
    struct slice value;
    while (attribute_next(&attributes, &name, &value) == 0)
        if (slice_equal(name, term->name))
            return slice_equal(value, term->value);
    return false;
}

static bool has_field(struct slice payload, const struct search_pointer *at,
                      const struct search_term *term)
{
    struct json_value value;
    return field_find(payload, at->tokens, at->count, &value) &&
           field_equals(&value, term->value);
}

static bool has_text(struct slice payload, struct slice text)
{
    return text.length == 0 ||
           memmem(payload.data, payload.length, text.data, text.length) != NULL;
}

bool search_matches(const struct search *search, const struct message *message)
{
    const struct message_query *query = search->query;
    if ((search->topic_id != 0 && message->topic_id != search->topic_id) ||
        message->id < search->first_id || message->id > search->last_id ||
        (query->key.length > 0 && !slice_equal(query->key, message->key)))
        return false;
    for (uint32_t i = 0; i < query->term_count; i++)
        if (query->terms[i].kind == SEARCH_ATTRIBUTE &&
            !has_attribute(message->attributes, &query->terms[i]))
            return false;
    if (!has_text(message->payload, query->text))
        return false;
    for (uint32_t i = 0; i < query->term_count; i++)
        if (query->terms[i].kind == SEARCH_FIELD &&
            !has_field(message->payload, &search->pointers[i],
                       &query->terms[i]))
            return false;
    return true;
}

/* ---- Its deliveries ---- */

bool search_asks_deliveries(const struct message_query *query)
{
    return query->publisher_id != 0 || !query->any_state ||
           message_query_by_processed(query);
}

static bool is_asked(const struct message_query *query,
                     const struct delivery *delivery)
{
    uint64_t upto = query->processed_to_ms;
    if (!query->any_state && delivery->state != query->state)
        return false;
    if (!message_query_by_processed(query))
        return true;
    return delivery->processed_ms != 0 &&
           delivery->processed_ms >= query->processed_from_ms &&
           (upto == 0 || delivery->processed_ms <= upto);
}

/* ERR_NOT_FOUND: the publisher had not started then. */
static int derive(struct search *search, struct search_publisher *publisher,
                  const struct message *message, uint64_t position,
                  struct arena *arena, struct delivery *delivery,
                  struct error *error)
{
    *delivery = (struct delivery){.publisher_id = publisher->id,
                                  .state = DELIVERY_SCHEDULED};
    if (publisher->topic_id != message->topic_id)
        return ERR_NOT_FOUND;
    if (position == 0)
        return 0;
    if (position < publisher->hot.start)
        return ERR_NOT_FOUND;
    return view_derive(search->view, &publisher->hot, position,
                       key_hash(message->key), arena, delivery, error);
}

int search_match_deliveries(struct search *search,
                            const struct message *message, uint64_t position,
                            struct arena *arena, bool *ret_matches,
                            uint64_t *ret_processed_ms, struct error *error)
{
    const struct message_query *query = search->query;
    *ret_processed_ms = 0;
    /* Waiting for its time is the message's own state: also without
     * publishers. */
    *ret_matches = !query->any_state && query->state == DELIVERY_SCHEDULED &&
                   position == 0 && !message_query_by_processed(query);
    for (uint32_t i = 0; !*ret_matches && i < search->publisher_count; i++) {
        struct search_publisher *publisher = &search->publishers[i];
        struct delivery delivery;
        int rc = derive(search, publisher, message, position, arena, &delivery,
                        error);
        if (rc == ERR_NOT_FOUND)
            continue;
        if (rc != 0)
            return rc;
        if (!is_asked(query, &delivery))
            continue;
        if (!message_query_by_processed(query))
            *ret_matches = true;
        else if (delivery.processed_ms > *ret_processed_ms)
            *ret_processed_ms = delivery.processed_ms;
    }
    *ret_matches |= *ret_processed_ms != 0;
    return 0;
}
