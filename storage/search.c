/* A page: candidates from the plan's streams, each looked at. What does not
 * match costs no copy; what does is copied whole, with all its deliveries. */
#include "storage/search_inside.h"

#include "storage/position.h"
#include "storage/search_time.h"

/* Who is asked looks at a clock, which costs about as much as a look. */
enum { LOOKS_PER_QUESTION = 16 };

bool search_spend(struct search *search, uint32_t looks)
{
    const struct message_query *query = search->query;
    search->looks += looks;
    search->unasked_looks += looks;
    if (query->looks_max != 0 && search->looks >= query->looks_max)
        return true;
    if (query->spent == NULL || search->unasked_looks < LOOKS_PER_QUESTION)
        return false;
    search->unasked_looks = 0;
    return query->spent(query->spent_context);
}

int search_take(struct search *search, uint64_t id, struct arena *arena,
                struct message_page *page, struct error *error)
{
    struct message_view *message = &page->messages[page->count];
    uint64_t position;
    int rc = view_message(search->view, id, arena, &message->message, error);
    if (rc == 0)
        rc = position_of(&search->view->transaction, &message->message,
                         &position, error);
    if (rc == 0)
        rc = view_deliveries(search->view, position, arena, message, error);
    if (rc != 0)
        return rc;
    search->bytes += message->message.payload.length;
    page->count++;
    return 0;
}

static int match_deliveries(struct search *search,
                            const struct message *message, bool *ret_matches,
                            struct error *error)
{
    struct arena scratch = {0};
    uint64_t processed_ms;
    uint64_t position;
    int rc = position_of(&search->view->transaction, message, &position, error);
    if (rc == 0)
        rc = search_match_deliveries(search, message, position, &scratch,
                                     ret_matches, &processed_ms, error);
    arena_close(&scratch);
    return rc;
}

static int look(struct search *search, uint64_t id, struct arena *arena,
                struct message_page *page, struct error *error)
{
    struct message message;
    int rc = view_message(search->view, id, NULL, &message, error);
    bool matches = rc == 0 && search_matches(search, &message);
    if (matches && search_asks_deliveries(search->query))
        rc = match_deliveries(search, &message, &matches, error);
    if (rc == 0 && matches)
        rc = search_take(search, id, arena, page, error);
    return rc == ERR_NOT_FOUND ? 0 : rc;
}

static int by_id(struct search *search, struct arena *arena,
                 struct message_page *page, struct error *error)
{
    const struct stream *top;
    bool spent = false;
    int rc = search_plan(search, error);
    while (rc == 0 && (top = streams_top(&search->streams)) != NULL) {
        if (spent || search_page_full(search, page)) {
            page->next.id = top->number + 1;
            page->cut = !search_page_full(search, page);
            return search_time_at(search->view, top->number + 1,
                                  &page->searched_ms, error);
        }
        if (!top->hollow)
            rc = look(search, top->number, arena, page, error);
        spent = search_spend(search, 1);
        if (rc == 0)
            rc = streams_step(&search->streams, error);
    }
    return rc;
}

/* ---- The subject ---- */

static int find_topic(struct search *search, struct error *error)
{
    const struct message_query *query = search->query;
    struct publisher publisher;
    struct topic topic;
    search->topic_id = query->topic_id;
    if (query->publisher_id == 0)
        return query->topic_id == 0
                   ? 0
                   : query_topic(search->view, query->topic_id, &search->arena,
                                 &topic, error);
    int rc = view_publisher(search->view, query->publisher_id, &search->arena,
                            &publisher, error);
    if (rc == 0 && query->topic_id != 0 &&
        publisher.topic_id != query->topic_id)
        rc = ERR_NOT_FOUND;
    search->topic_id = publisher.topic_id;
    return rc == ERR_NOT_FOUND ? error_set(error, rc, "publisher %u: %s",
                                           query->publisher_id, error_text(rc))
                               : rc;
}

static int find_publishers(struct search *search, struct error *error)
{
    const struct message_query *query = search->query;
    struct view *view = search->view;
    uint32_t one = query->publisher_id;
    uint32_t *ids = &one;
    uint32_t count = 1;
    int rc = 0;
    if (one == 0 && search->topic_id != 0)
        rc = view_topic_publishers(view, search->topic_id, 0,
                                   BOUND_SEARCH_PUBLISHERS, &search->arena,
                                   &ids, &count, error);
    else if (one == 0)
        rc = view_ids(view, DATABASE_PUBLISHER, 0, BOUND_SEARCH_PUBLISHERS,
                      &search->arena, &ids, &count, error);
    if (rc == 0 && count == BOUND_SEARCH_PUBLISHERS)
        rc = error_set(error, ERR_INVALID,
                       "too many publishers: a topic or publisher must be "
                       "given");
    search->publishers =
        arena_take(&search->arena, (count + 1) * sizeof *search->publishers);
    for (uint32_t i = 0; rc == 0 && i < count; i++) {
        struct search_publisher *publisher = &search->publishers[i];
        struct publisher row;
        struct arena scratch = {0};
        rc = view_publisher(view, ids[i], &scratch, &row, error);
        if (rc == 0)
            rc = view_hot(view, ids[i], &publisher->hot, error);
        if (rc == 0) {
            publisher->id = ids[i];
            publisher->topic_id = row.topic_id;
            search->publisher_count++;
        }
        arena_close(&scratch);
    }
    return rc;
}

/* Ids follow the times of receipt. */
static int find_ids(struct search *search, struct error *error)
{
    const struct message_query *query = search->query;
    int rc = 0;
    search->last_id = UINT64_MAX;
    if (query->received_from_ms != 0)
        rc = search_id_from(search->view, query->received_from_ms,
                            &search->first_id, error);
    if (rc == 0 && query->received_to_ms != 0) {
        rc = search_id_from(search->view, query->received_to_ms + 1,
                            &search->last_id, error);
        search->last_id--; /* Ids begin at 1. */
    }
    return rc;
}

static void search_close(struct search *search)
{
    streams_close(&search->streams);
    for (uint32_t i = 0; i < search->publisher_count; i++)
        hot_close(&search->publishers[i].hot);
    arena_close(&search->arena);
}

static int run(struct view *view, struct index_view *index,
               const struct message_query *query, struct arena *arena,
               struct message_page *ret_page, struct error *error)
{
    struct search search = {.view = view, .index = index, .query = query};
    *ret_page = (struct message_page){
        .messages =
            arena_take(arena, query->limit * sizeof *ret_page->messages)};
    int rc = find_topic(&search, error);
    if (rc == 0)
        rc = search_compile(&search, error);
    if (rc == 0)
        rc = find_ids(&search, error);
    if (rc == 0 && search_asks_deliveries(query))
        rc = find_publishers(&search, error);
    if (rc == 0)
        rc = message_query_by_processed(query)
                 ? search_by_processed(&search, arena, ret_page, error)
                 : by_id(&search, arena, ret_page, error);
    search_close(&search);
    return rc;
}

int query_messages(struct view *view, struct index *index,
                   const struct message_query *query, struct arena *arena,
                   struct message_page *ret_page, struct error *error)
{
    struct index_view none = {.upto = 0};
    struct index_view indexed = none;
    int rc = 0;
    if (index != NULL)
        rc = index_view_begin(index, &indexed, error);
    if (rc == 0)
        rc = run(view, &indexed, query, arena, ret_page, error);
    index_view_end(&indexed);
    if (index == NULL || rc != ERR_CORRUPT)
        return rc;
    /* Be it the store that is corrupt, the second look says the same. */
    index_damaged(index);
    return run(view, &none, query, arena, ret_page, error);
}
