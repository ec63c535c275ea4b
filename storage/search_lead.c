/* Which of the terms that are asked for leads to the fewest messages, and where
 * to. How many a term leads to is guessed from its newest runs: a term that is
 * rare has few runs or wide ones.
 *
 * A field leads only where its topic is indexed by it. The messages of other
 * topics are all candidates, and count as such. */
#include "storage/search_inside.h"

/* The runs that a guess looks at. */
enum { GUESS_RUNS = 3 };

static const struct slice none = {0};

/* ---- Guessing ---- */

/* About how many of a topic's messages have the term. */
static int guess_term(struct search *search, uint32_t topic_id, uint64_t hash,
                      double *guess, struct error *error)
{
    struct cursor cursor = {0};
    struct key prefix = term_key(topic_id, hash);
    struct key end = prefix;
    uint64_t upto = search->index->upto;
    uint64_t count = 0;
    uint64_t first = 0;
    uint32_t runs = 0;
    key_u64(&end, UINT64_MAX);
    int rc =
        cursor_open(&search->index->transaction, INDEX_TERM, &cursor, error);
    if (rc == 0)
        rc = cursor_seek_back(&cursor, key_slice(&end), error);
    while (rc == 0 && cursor_within(&cursor, key_slice(&prefix)) &&
           runs < GUESS_RUNS) {
        struct term_run run;
        first = get_key_u64(cursor.key.data + prefix.length);
        rc = term_run_decode(first, cursor.content, &run);
        if (rc != 0) {
            record_error(error, rc, INDEX_TERM, cursor.key);
            break;
        }
        count += run.count;
        runs++;
        rc = cursor_previous(&cursor, error);
    }
    cursor_close(&cursor);
    *guess += runs < GUESS_RUNS
                  ? (double)count
                  : (double)count * (double)upto / (double)(upto - first + 1);
    return rc == ERR_END ? 0 : rc;
}

static int leads_in(struct search *search, uint32_t topic_id,
                    const struct search_lead *lead, bool *ret_leads,
                    struct error *error)
{
    *ret_leads = true;
    return lead->pointer.length == 0
               ? 0
               : index_has_field(search->index, topic_id, lead->pointer,
                                 ret_leads, error);
}

static int guess_topic(struct search *search, uint32_t topic_id,
                       struct search_lead *lead, struct error *error)
{
    struct arena scratch = {0};
    struct topic topic;
    bool leads;
    int rc = leads_in(search, topic_id, lead, &leads, error);
    if (rc == 0 && leads)
        return guess_term(search, topic_id, lead->hash, &lead->guess, error);
    if (rc == 0)
        rc = view_topic(search->view, topic_id, &scratch, &topic, error);
    if (rc == 0)
        lead->guess += (double)(topic.messages - topic.gone + topic.scheduled);
    arena_close(&scratch);
    return rc;
}

static int consider(struct search *search, const struct search_scope *scope,
                    struct search_lead candidate, struct search_lead *best,
                    struct error *error)
{
    int rc = 0;
    candidate.found = true;
    candidate.guess = 0;
    for (uint32_t i = 0;
         rc == 0 && i < scope->count && candidate.guess < best->guess; i++)
        rc = guess_topic(search, scope->topics[i], &candidate, error);
    if (rc == 0 && candidate.guess < best->guess)
        *best = candidate;
    return rc;
}

int search_lead_find(struct search *search, const struct search_scope *scope,
                     struct search_lead *lead, struct error *error)
{
    const struct message_query *query = search->query;
    int rc = 0;
    if (query->key.length > 0)
        rc = consider(search, scope,
                      (struct search_lead){
                          .hash = term_hash(SEARCH_KEY, none, query->key)},
                      lead, error);
    for (uint32_t i = 0; rc == 0 && i < query->term_count; i++) {
        const struct search_term *term = &query->terms[i];
        struct search_lead candidate = {
            .hash = term_hash(term->kind, term->name, term->value)};
        if (term->kind == SEARCH_FIELD)
            candidate.pointer = term->name;
        rc = consider(search, scope, candidate, lead, error);
    }
    return rc;
}

/* ---- Following ---- */

int search_add_term(struct search *search, uint32_t topic_id, uint64_t hash,
                    struct error *error)
{
    return search_add(search, STREAM_TERM, INDEX_TERM, term_key(topic_id, hash),
                      0, search->index->upto, error);
}

/* All messages of a topic, as far as messages are indexed. */
static int add_all(struct search *search, uint32_t topic_id,
                   struct error *error)
{
    int rc = search_add(search, STREAM_LOG, DATABASE_LOG, key_of_u32(topic_id),
                        0, search->index->upto, error);
    return rc == 0 ? search_add_term(search, topic_id,
                                     term_hash(SEARCH_LATER, none, none), error)
                   : rc;
}

int search_lead_add(struct search *search, const struct search_scope *scope,
                    const struct search_lead *lead, struct error *error)
{
    int rc = 0;
    for (uint32_t i = 0; rc == 0 && i < scope->count; i++) {
        bool leads;
        rc = leads_in(search, scope->topics[i], lead, &leads, error);
        if (rc == 0)
            rc = leads ? search_add_term(search, scope->topics[i], lead->hash,
                                         error)
                       : add_all(search, scope->topics[i], error);
    }
    return rc;
}
