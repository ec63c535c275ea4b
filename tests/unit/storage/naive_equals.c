/* The comparison of the store's answers with the naive model's arrays. */
#include "naive.h"

#include "base/bounds.h"

#include <stdio.h>

struct comparison {
    const struct naive *naive;
    struct view *view;
    struct arena *arena;
    char *words;
    size_t words_size;
};

static bool same(const struct comparison *c, const char *what, uint32_t id,
                 uint64_t position, uint64_t store, uint64_t naive)
{
    if (store == naive)
        return true;
    snprintf(c->words, c->words_size,
             "%s of %u at %llu: store %llu, naive model %llu", what, id,
             (unsigned long long)position, (unsigned long long)store,
             (unsigned long long)naive);
    return false;
}

#define SAME(what, id, position, store, naive)                                 \
    do {                                                                       \
        if (!same(c, what, id, position, (uint64_t)(store),                    \
                  (uint64_t)(naive)))                                          \
            return false;                                                      \
    } while (0)

static void must(int rc, const struct error *error)
{
    expect_ok(rc, error);
}

/* ---- Topics ---- */

static bool topics_equal(const struct comparison *c)
{
    struct error error = {0};
    struct topic *topics;
    uint32_t count;
    must(query_topics(c->view, 0, 100, c->arena, &topics, &count, &error),
         &error);
    SAME("topics", 0, 0, count, c->naive->topic_count);
    for (uint32_t i = 0; i < count; i++) {
        uint64_t messages = 0;
        uint64_t last = 0;
        uint32_t publishers = 0;
        SAME("topic id", i, 0, topics[i].id, i + 1);
        for (uint64_t p = 1; p <= c->naive->message_count; p++)
            if (c->naive->message_topic[p] == topics[i].id) {
                messages++;
                last = p;
            }
        for (uint32_t id = 1; id <= c->naive->publisher_count; id++)
            publishers += c->naive->publishers[id].exists &&
                          c->naive->publishers[id].topic_id == topics[i].id;
        SAME("topic name", topics[i].id, 0,
             slice_is(topics[i].options.name,
                      c->naive->topic_names[topics[i].id]),
             true);
        SAME("topic messages", topics[i].id, 0, topics[i].messages, messages);
        SAME("topic last", topics[i].id, 0, topics[i].last_position, last);
        SAME("topic publishers", topics[i].id, 0, topics[i].publishers,
             publishers);
    }
    return true;
}

/* ---- Publishers ---- */

static uint64_t naive_oldest(const struct naive *naive, uint32_t id)
{
    for (uint64_t p = 1; p <= naive->message_count; p++) {
        enum naive_status status = naive->publishers[id].cells[p].status;
        if (naive_wants(naive, id, p) &&
            (status == NAIVE_UNSEEN || status == NAIVE_OPEN ||
             status == NAIVE_WAITING))
            return naive->message_received_ms[p];
    }
    return 0;
}

static bool counts_equal(const struct comparison *c,
                         const struct publisher_view *got)
{
    uint32_t id = got->publisher.id;
    const struct naive_publisher *want = &c->naive->publishers[id];
    uint32_t counts[NAIVE_FILTERED + 1];
    for (int status = 0; status <= NAIVE_FILTERED; status++)
        counts[status] = naive_count(c->naive, id, (enum naive_status)status);
    uint32_t backlog =
        counts[NAIVE_UNSEEN] + counts[NAIVE_OPEN] + counts[NAIVE_WAITING];
    if (c->naive->twist == TWIST_FILTERED_IN_BACKLOG)
        backlog += counts[NAIVE_FILTERED];
    SAME("exists", id, 0, true, want->exists);
    SAME("topic", id, 0, got->publisher.topic_id, want->topic_id);
    SAME("paused", id, 0, got->publisher.paused, want->paused);
    SAME("backlog", id, 0, got->counts.backlog, backlog);
    SAME("open", id, 0, got->counts.open, counts[NAIVE_OPEN]);
    SAME("retrying", id, 0, got->counts.retrying, counts[NAIVE_WAITING]);
    SAME("dead", id, 0, got->counts.dead, counts[NAIVE_DEAD]);
    SAME("ambiguous", id, 0, got->counts.ambiguous, counts[NAIVE_AMBIGUOUS]);
    SAME("delivered", id, 0, got->counts.delivered, counts[NAIVE_DELIVERED]);
    SAME("filtered", id, 0, got->counts.filtered, counts[NAIVE_FILTERED]);
    SAME("oldest", id, 0, got->counts.oldest_undelivered_ms,
         naive_oldest(c->naive, id));
    SAME("last delivered", id, 0, got->counts.last_delivered_ms,
         want->last_delivered_ms);
    SAME("last error", id, 0, got->counts.last_error_ms, want->last_error_ms);
    return true;
}

static bool publishers_equal(const struct comparison *c)
{
    struct error error = {0};
    uint32_t existing = 0;
    uint32_t listed = 0;
    struct publisher_view *got;
    uint32_t count;
    for (uint32_t id = 1; id <= c->naive->publisher_count; id++)
        existing += c->naive->publishers[id].exists;
    must(query_publishers(c->view, 0, 0, 1000, c->arena, &got, &count, &error),
         &error);
    SAME("publishers", 0, 0, count, existing);
    for (uint32_t i = 0; i < count; i++)
        if (!counts_equal(c, &got[i]))
            return false;
    for (uint32_t topic = 1; topic <= c->naive->topic_count; topic++) {
        must(query_publishers(c->view, topic, 0, 1000, c->arena, &got, &count,
                              &error),
             &error);
        listed += count;
    }
    SAME("publishers by topic", 0, 0, listed, existing);
    return true;
}

/* ---- Pipelines, retries ---- */

static bool due_equal(const struct comparison *c, uint32_t id,
                      uint64_t first_due_ms)
{
    struct error error = {0};
    const struct naive_cell *cells = c->naive->publishers[id].cells;
    struct feed_item *items;
    uint32_t count;
    uint64_t next_due;
    uint64_t first = 0;
    uint32_t due = 0;
    uint64_t now = c->naive->clock_ms;
    for (uint64_t p = 1; p <= c->naive->message_count; p++) {
        if (cells[p].status != NAIVE_WAITING)
            continue;
        due += cells[p].due_ms <= now;
        if (first == 0 || cells[p].due_ms < first)
            first = cells[p].due_ms;
    }
    SAME("first due", id, 0, first_due_ms, first);
    must(query_due(c->view, id, now, UINT32_MAX, SIZE_MAX, c->arena, &items,
                   &count, &next_due, &error),
         &error);
    SAME("due", id, 0, count, due);
    for (uint32_t i = 0; i < count; i++) {
        const struct naive_cell *cell = &cells[items[i].position];
        SAME("due status", id, items[i].position, cell->status, NAIVE_WAITING);
        SAME("due attempts", id, items[i].position, items[i].attempts,
             cell->attempts);
        SAME("due doubt", id, items[i].position, items[i].doubt, cell->doubt);
        SAME("due message", id, items[i].position, items[i].message.id,
             items[i].position);
    }
    return true;
}

static bool pipelines_equal(const struct comparison *c)
{
    struct error error = {0};
    struct pipeline_view *got;
    uint32_t count;
    must(query_pipelines(c->view, 0, 1000, c->arena, &got, &count, &error),
         &error);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t id = got[i].publisher.id;
        const struct naive_publisher *want = &c->naive->publishers[id];
        SAME("next", id, 0, got[i].next, want->next);
        SAME("open count", id, 0, got[i].open_count,
             naive_count(c->naive, id, NAIVE_OPEN));
        for (uint32_t k = 0; k < got[i].open_count; k++) {
            uint64_t p = got[i].open[k].position;
            SAME("open", id, p, want->cells[p].status, NAIVE_OPEN);
            SAME("open attempt", id, p, got[i].open[k].attempt,
                 want->cells[p].attempts);
            SAME("open doubt", id, p, got[i].open[k].doubt,
                 want->cells[p].doubt);
        }
        if (!due_equal(c, id, got[i].first_due_ms))
            return false;
    }
    return true;
}

/* The feed from `next` on is the topic's tail. */
static bool feeds_equal(const struct comparison *c)
{
    struct error error = {0};
    for (uint32_t id = 1; id <= c->naive->publisher_count; id++) {
        const struct naive_publisher *want = &c->naive->publishers[id];
        struct feed_item *items;
        uint32_t count;
        uint32_t k = 0;
        if (!want->exists)
            continue;
        must(query_feed(c->view, want->topic_id, want->next, 40, SIZE_MAX,
                        c->arena, &items, &count, &error),
             &error);
        for (uint64_t p = want->next; p <= c->naive->message_count && k < 40;
             p++)
            if (naive_wants(c->naive, id, p)) {
                SAME("feed end", id, p, k < count, true);
                SAME("feed", id, p, items[k].position, p);
                SAME("feed topic", id, p, items[k].message.topic_id,
                     want->topic_id);
                k++;
            }
        SAME("feed length", id, 0, count, k);
    }
    return true;
}

/* ---- Messages ---- */

static enum delivery_state state_of(const struct naive_cell *cell)
{
    switch (cell->status) {
    case NAIVE_UNSEEN:
        return DELIVERY_PENDING;
    case NAIVE_OPEN:
        return cell->attempts > 1 ? DELIVERY_RETRYING : DELIVERY_PENDING;
    case NAIVE_WAITING:
        return DELIVERY_RETRYING;
    case NAIVE_DEAD:
        return DELIVERY_DEAD;
    case NAIVE_AMBIGUOUS:
        return DELIVERY_AMBIGUOUS;
    case NAIVE_DELIVERED:
        return DELIVERY_DELIVERED;
    case NAIVE_FILTERED:
        return DELIVERY_FILTERED;
    }
    return DELIVERY_FILTERED;
}

/* Of all tries the first and the last nine; of the last failure's answer
 * 4096 bytes, of earlier ones 256, of a success none. */
static bool history_equal(const struct comparison *c, uint64_t position,
                          const struct delivery *got,
                          const struct naive_cell *cell)
{
    uint32_t id = got->publisher_id;
    uint32_t kept = cell->try_count < 10 ? cell->try_count : 10;
    uint32_t last_failure = UINT32_MAX;
    for (uint32_t i = 0; i < cell->try_count; i++)
        if (cell->tries[i].class != ATTEMPT_OK)
            last_failure = i;
    SAME("history", id, position, got->history_count, kept);
    for (uint32_t i = 0; i < kept; i++) {
        uint32_t at = i == 0 ? 0 : cell->try_count - kept + i;
        const struct naive_try *want = &cell->tries[at];
        uint32_t most = at == last_failure ? 4096 : 256;
        uint32_t length =
            want->response_length < most ? want->response_length : most;
        if (want->class == ATTEMPT_OK)
            length = 0;
        SAME("try number", id, position, got->history[i].number, want->number);
        SAME("try class", id, position, got->history[i].class, want->class);
        SAME("try status", id, position, got->history[i].status, want->status);
        SAME("try doubt", id, position, got->history[i].maybe_duplicate,
             want->maybe_duplicate);
        SAME("try response", id, position, got->history[i].response.length,
             length);
    }
    return true;
}

static bool delivery_equal(const struct comparison *c, uint64_t position,
                           const struct delivery *got)
{
    uint32_t id = got->publisher_id;
    const struct naive_cell *cell = &c->naive->publishers[id].cells[position];
    bool open = cell->status == NAIVE_OPEN;
    bool settled = cell->status == NAIVE_DEAD ||
                   cell->status == NAIVE_AMBIGUOUS ||
                   cell->status == NAIVE_DELIVERED;
    SAME("wanted", id, position, naive_wants(c->naive, id, position), true);
    SAME("state", id, position, got->state, state_of(cell));
    SAME("is open", id, position, got->open, open);
    SAME("attempts", id, position, got->attempts,
         open ? cell->attempts - 1 : cell->attempts);
    SAME("processed", id, position, got->processed_ms,
         settled ? cell->since_ms : 0);
    SAME("next attempt", id, position, got->next_attempt_ms,
         cell->status == NAIVE_WAITING ? cell->due_ms : 0);
    if (cell->status != NAIVE_DELIVERED)
        SAME("doubt", id, position, got->maybe_duplicate, cell->doubt);
    return history_equal(c, position, got, cell);
}

static bool message_equal(const struct comparison *c, uint64_t position)
{
    struct error error = {0};
    struct message_view got;
    uint32_t wanted = 0;
    must(query_message(c->view, position, c->arena, &got, &error), &error);
    SAME("message topic", 0, position, got.message.topic_id,
         c->naive->message_topic[position]);
    SAME("message received", 0, position, got.message.received_ms,
         c->naive->message_received_ms[position]);
    for (uint32_t id = 1; id <= c->naive->publisher_count; id++)
        wanted += c->naive->publishers[id].exists &&
                  naive_wants(c->naive, id, position);
    SAME("deliveries", 0, position, got.delivery_count, wanted);
    for (uint32_t i = 0; i < got.delivery_count; i++)
        if (!delivery_equal(c, position, &got.deliveries[i]))
            return false;
    return true;
}

static bool messages_equal(const struct comparison *c, bool deep,
                           uint64_t *random)
{
    uint64_t count = c->naive->message_count;
    if (deep) {
        for (uint64_t p = 1; p <= count; p++)
            if (!message_equal(c, p))
                return false;
        return true;
    }
    for (int i = 0; count > 0 && i < 4; i++) {
        uint64_t recent = count < 200 ? count : 200;
        uint64_t p = count - random_below(random, (uint32_t)recent);
        if (!message_equal(c, p) ||
            !message_equal(c, 1 + random_below(random, (uint32_t)count)))
            return false;
    }
    return true;
}

bool naive_equals(const struct naive *naive, struct view *view,
                  struct arena *arena, bool deep, uint64_t *random, char *words,
                  size_t words_size)
{
    const struct comparison c = {.naive = naive,
                                 .view = view,
                                 .arena = arena,
                                 .words = words,
                                 .words_size = words_size};
    return topics_equal(&c) && publishers_equal(&c) && pipelines_equal(&c) &&
           feeds_equal(&c) && messages_equal(&c, deep, random);
}
