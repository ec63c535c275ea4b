/* Searches: what is asked for, and pages of messages.
 *
 * A cursor holds the place where the next page goes on and stands for its
 * search alone: it carries a hash of all that was asked, so that a cursor
 * under another question is refused and does not answer a question that nobody
 * has asked. */
#include "http/identity.h"
#include "http/resources.h"

#include "base/bounds.h"
#include "base/json_pointer.h"
#include "http/timestamp.h"

#include <inttypes.h>
#include <stdio.h>

static bool read_state(struct slice text, enum delivery_state *ret_state)
{
    for (uint32_t i = 0; i <= DELIVERY_FILTERED; i++) {
        if (slice_is(text, delivery_state_text((enum delivery_state)i))) {
            *ret_state = (enum delivery_state)i;
            return true;
        }
    }
    return false;
}

/* ---- Terms ---- */

static const char attribute_prefix[] = "attr.";
static const char field_prefix[] = "field.";

static struct slice behind(const char *name, const char *prefix)
{
    size_t length = strlen(prefix);
    return strncmp(name, prefix, length) == 0 ? slice_text(name + length)
                                              : slice_of(NULL, 0);
}

static const char *attribute_fault(const struct search_term *term)
{
    return term->name.length > BOUND_ATTRIBUTE_NAME ||
                   term->value.length > BOUND_ATTRIBUTE_VALUE
               ? "is invalid: no attribute is so long"
               : NULL;
}

static const char *field_fault(const struct search_term *term,
                               struct arena *arena)
{
    struct json_token *tokens;
    uint32_t count;
    if (term->name.length > BOUND_INDEXED_POINTER ||
        json_pointer_split(term->name, arena, BOUND_FILTER_DEPTH, &tokens,
                           &count) != 0)
        return "is invalid: a JSON pointer is expected behind the dot, such as "
               "field./customer/id";
    return NULL;
}

static void read_term(struct request *request, const char *name,
                      struct slice value, struct backend_search *search,
                      struct problem *problem)
{
    struct search_term term = {.kind = SEARCH_ATTRIBUTE,
                               .name = behind(name, attribute_prefix),
                               .value = value};
    const char *fault;
    if (term.name.length > 0) {
        fault = attribute_fault(&term);
    } else {
        term.kind = SEARCH_FIELD;
        term.name = behind(name, field_prefix);
        if (term.name.length == 0)
            return;
        fault = field_fault(&term, &request->arena);
    }
    if (fault == NULL && search->term_count == BOUND_SEARCH_TERMS)
        fault = "is one attribute or field too many";
    if (fault != NULL)
        problem_parameter(problem, name, fault);
    else
        search->terms[search->term_count++] = term;
}

/* ---- Times ---- */

/* The epoch itself stands for nothing in a search, the moment behind it says
 * the same. */
static void read_time(const struct query_string *query, const char *name,
                      uint64_t *ret_ms, struct problem *problem)
{
    struct slice text;
    if (!query_string_get(query, name, &text))
        return;
    if (!timestamp_parse(text, ret_ms))
        problem_parameter(problem, name,
                          "is invalid: a time is expected, such as "
                          "2026-01-31T09:00:00Z");
    else if (*ret_ms == 0)
        *ret_ms = 1;
}

/* ---- Cursors ---- */

enum { SEARCH_CURSOR_SIZE = 1 + 3 * CURSOR_DIGITS + 1 };

static bool is_of_page(const char *name)
{
    return strcmp(name, "limit") == 0 || strcmp(name, "cursor") == 0 ||
           strcmp(name, "consistency") == 0;
}

/* Of what is asked for, in any order. */
static uint64_t search_hash(struct request *request)
{
    const struct query_string *query = &request->query;
    uint64_t sum = 0;
    for (unsigned i = 0; i < query->count; i++) {
        struct slice name = slice_text(query->parameters[i].name);
        struct slice value = query->parameters[i].value;
        if (is_of_page(query->parameters[i].name))
            continue;
        uint8_t *pair =
            arena_take(&request->arena, name.length + 1 + value.length);
        memcpy(pair, name.data, name.length);
        pair[name.length] = '\0';
        memcpy(pair + name.length + 1, value.data, value.length);
        sum += key_hash(slice_of(pair, name.length + 1 + value.length));
    }
    return sum;
}

static void search_cursor_format(char text[SEARCH_CURSOR_SIZE],
                                 struct search_place place, uint64_t hash)
{
    snprintf(text, SEARCH_CURSOR_SIZE,
             "m%016" PRIx64 "%016" PRIx64 "%016" PRIx64, place.ms, place.id,
             hash);
}

static void read_cursor(struct request *request, struct search_place *place,
                        struct problem *problem)
{
    struct slice text;
    uint64_t hash;
    if (!query_string_get(&request->query, "cursor", &text))
        return;
    if (text.length != SEARCH_CURSOR_SIZE - 1 || text.data[0] != 'm') {
        problem_parameter(problem, "cursor", PROBLEM_INVALID);
        return;
    }
    text = slice_of(text.data + 1, text.length - 1);
    if (!cursor_number(&text, &place->ms) ||
        !cursor_number(&text, &place->id) || !cursor_number(&text, &hash) ||
        place->id == 0)
        problem_parameter(problem, "cursor", PROBLEM_INVALID);
    else if (hash != search_hash(request))
        problem_parameter(problem, "cursor",
                          "is invalid: it belongs to another search");
}

/* ---- The resource ---- */

static void read_subject(struct request *request, struct backend_search *search,
                         struct problem *problem)
{
    const struct query_string *query = &request->query;
    struct slice text;
    if (query_string_get(query, "topic", &search->topic) &&
        !topic_name_is_valid(search->topic))
        problem_parameter(problem, "topic", PROBLEM_INVALID);
    request_query_id(request, "publisher", &search->publisher_id, problem);
    if (query_string_get(query, "state", &text)) {
        search->any_state = false;
        if (!read_state(text, &search->state))
            problem_parameter(problem, "state", PROBLEM_INVALID);
    }
    if (query_string_get(query, "key", &search->key) &&
        (search->key.length < 1 || search->key.length > BOUND_KEY))
        problem_parameter(problem, "key", PROBLEM_INVALID);
    if (query_string_get(query, "q", &search->text) &&
        (search->text.length < 1 || search->text.length > BOUND_SEARCH_TEXT))
        problem_parameter(problem, "q",
                          "is invalid: 1 to 1024 bytes are expected");
}

static void read_search(struct request *request, struct backend_search *search,
                        struct problem *problem)
{
    const struct query_string *query = &request->query;
    *search = (struct backend_search){.any_state = true};
    read_subject(request, search, problem);
    for (unsigned i = 0; i < query->count; i++)
        read_term(request, query->parameters[i].name,
                  query->parameters[i].value, search, problem);
    read_time(query, "received_from", &search->received_from_ms, problem);
    read_time(query, "received_to", &search->received_to_ms, problem);
    read_time(query, "processed_from", &search->processed_from_ms, problem);
    read_time(query, "processed_to", &search->processed_to_ms, problem);
    query_string_limit(query, &search->limit, problem);
    read_cursor(request, &search->before, problem);
}

static void on_list(struct request *request,
                    const struct backend_result *result)
{
    char cursor[SEARCH_CURSOR_SIZE];
    struct json_writer json = request_data_begin(request);
    json_write_begin(&json, '[');
    for (uint32_t i = 0; i < result->count; i++)
        if (identity_reaches(request, result->messages[i].topic))
            message_write(&json, result, i, MESSAGE_LISTED);
    json_write_end(&json, ']');
    search_cursor_format(cursor, result->next, search_hash(request));
    json_member_string(&json, "next_cursor",
                       result->next.id != 0 ? cursor : NULL);
    json_member_boolean(&json, "complete", !result->cut);
    json_member_time(&json, "searched_to", result->searched_ms);
    json_write_end(&json, '}');
    request_send_json(request, 200);
}

void message_list(struct request *request)
{
    const struct backend *backend = request_backend(request);
    struct problem problem = {0};
    struct backend_search search;
    read_search(request, &search, &problem);
    if (search.topic.length > 0)
        identity_check_topic(request, search.topic, &problem);
    if (!request_failed(request, &problem))
        backend->message_list(backend->context, request_wait(request, on_list),
                              request->consistency, &search);
}
