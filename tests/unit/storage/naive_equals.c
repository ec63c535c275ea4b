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

static bool topic_equal(const struct comparison *c, const struct topic *got)
{
    const struct naive *naive = c->naive;
    uint32_t id = got->id;
    uint64_t messages = 0;
    uint64_t gone = 0;
    uint64_t scheduled = 0;
    uint32_t publishers = 0;
    for (uint64_t m = 1; m <= naive->sequence; m++) {
        if (naive->messages[m].topic_id != id)
            continue;
        messages += naive->messages[m].position != 0;
        scheduled += naive->messages[m].position == 0;
        gone += naive->messages[m].gone;
    }
    for (uint32_t p = 1; p <= naive->publisher_count; p++)
        publishers +=
            naive->publishers[p].exists && naive->publishers[p].topic_id == id;
    SAME("topic exists", id, 0, naive->topics[id].exists, true);
    SAME("topic name", id, 0,
         slice_is(got->options.name, naive->topics[id].name), true);
    SAME("topic retention", id, 0, got->options.retention_seconds,
         naive->topics[id].retention_seconds);
    SAME("topic messages", id, 0, got->messages, messages);
    SAME("topic gone", id, 0, got->gone, gone);
    SAME("topic scheduled", id, 0, got->scheduled, scheduled);
    SAME("topic bytes", id, 0, got->bytes, naive->topics[id].bytes);
    SAME("topic first", id, 0, got->first_position,
         naive_first_position(naive, id));
    SAME("topic last", id, 0, got->last_position,
         naive_last_position(naive, id));
    SAME("topic publishers", id, 0, got->publishers, publishers);
    return true;
}

static bool topics_equal(const struct comparison *c)
{
    struct error error = {0};
    struct topic *topics;
    uint32_t count;
    uint32_t existing = 0;
    must(query_topics(c->view, 0, 100, c->arena, &topics, &count, &error),
         &error);
    for (uint32_t id = 1; id <= c->naive->topic_count; id++)
        existing += c->naive->topics[id].exists;
    SAME("topics", 0, 0, count, existing);
    for (uint32_t i = 0; i < count; i++)
        if (!topic_equal(c, &topics[i]))
            return false;
    return true;
}

static uint64_t first_schedule(const struct naive *naive, uint32_t topic_id)
{
    uint64_t first = 0;
    for (uint64_t m = 1; m <= naive->sequence; m++) {
        const struct naive_message *message = &naive->messages[m];
        if (message->topic_id == topic_id && message->position == 0 &&
            (first == 0 || message->schedule_ms < first))
            first = message->schedule_ms;
    }
    return first;
}

static bool schedules_equal(const struct comparison *c)
{
    struct error error = {0};
    struct schedule *got;
    uint32_t count;
    uint32_t k = 0;
    must(query_schedules(c->view, 0, 1000, c->arena, &got, &count, &error),
         &error);
    for (uint32_t id = 1; id <= c->naive->topic_count; id++) {
        uint64_t first =
            c->naive->topics[id].exists ? first_schedule(c->naive, id) : 0;
        if (first == 0)
            continue;
        SAME("schedules", id, 0, k < count, true);
        SAME("schedule topic", id, 0, got[k].topic_id, id);
        SAME("schedule due", id, 0, got[k].first_due_ms, first);
        k++;
    }
    SAME("schedules", 0, 0, count, k);
    return true;
}

static bool replays_equal(const struct comparison *c)
{
    struct error error = {0};
    struct replay *got;
    uint32_t count;
    must(query_replays(c->view, false, 0, 1000, c->arena, &got, &count, &error),
         &error);
    SAME("replays", 0, 0, count, c->naive->replay_count);
    for (uint32_t i = 0; i < count; i++) {
        const struct replay *want = &c->naive->replays[got[i].id];
        SAME("replay state", got[i].id, 0, got[i].state, want->state);
        SAME("replay matched", got[i].id, 0, got[i].matched, want->matched);
        SAME("replay done", got[i].id, 0, got[i].done, want->done);
        SAME("replay cursor", got[i].id, 0, got[i].cursor, want->cursor);
        SAME("replay upto", got[i].id, 0, got[i].upto, want->upto);
        SAME("replay ended", got[i].id, 0, got[i].ended_ms, want->ended_ms);
    }
    return true;
}

/* ---- Publishers ---- */

static uint64_t naive_oldest(const struct naive *naive, uint32_t id)
{
    for (uint64_t p = 1; p <= naive->sequence; p++) {
        enum naive_status status = naive->publishers[id].cells[p].status;
        if (naive_wants(naive, id, p) &&
            (status == NAIVE_UNSEEN || status == NAIVE_OPEN ||
             status == NAIVE_WAITING || status == NAIVE_PARKED))
            return naive->messages[naive->at[p]].received_ms;
    }
    return 0;
}

static bool counts_equal(const struct comparison *c,
                         const struct publisher_view *got)
{
    uint32_t id = got->publisher.id;
    const struct naive_publisher *want = &c->naive->publishers[id];
    uint32_t counts[NAIVE_STATUSES];
    for (int status = 0; status < NAIVE_STATUSES; status++)
        counts[status] = naive_count(c->naive, id, (enum naive_status)status);
    uint32_t backlog =
        counts[NAIVE_UNSEEN] + counts[NAIVE_OPEN] + counts[NAIVE_WAITING];
    if (c->naive->twist != TWIST_PARKED_NOT_IN_BACKLOG)
        backlog += counts[NAIVE_PARKED];
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
    SAME("discarded", id, 0, got->counts.discarded, counts[NAIVE_DISCARDED]);
    SAME("parked", id, 0, got->counts.parked, counts[NAIVE_PARKED]);
    SAME("ordered waits", id, 0, got->counts.ordered_waits,
         naive_ordered(c->naive, id, NAIVE_WAITING));
    SAME("target", id, 0, slice_is(got->publisher.options.target, want->target),
         true);
    SAME("ordering", id, 0, got->publisher.options.ordering, want->ordering);
    SAME("updated", id, 0, got->publisher.updated_ms, want->updated_ms);
    SAME("circuit", id, 0, got->circuit.state, want->circuit);
    SAME("next probe", id, 0, got->circuit.next_probe_ms, want->next_probe_ms);
    SAME("throttled", id, 0, got->throttled_until_ms, want->throttled_until_ms);
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
    for (uint64_t p = 1; p <= c->naive->sequence; p++) {
        if (!naive_wants(c->naive, id, p) || cells[p].status != NAIVE_WAITING)
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
        SAME("due budget", id, items[i].position, items[i].budget_from,
             cell->budget_from);
        SAME("due holds", id, items[i].position, items[i].holds, cell->holds);
        SAME("due replay", id, items[i].position, items[i].replay_id,
             cell->replay_id);
        SAME("due order", id, items[i].position, items[i].ordered,
             cell->ordered);
        SAME("due message", id, items[i].position, items[i].message.id,
             c->naive->at[items[i].position]);
    }
    return true;
}

static bool open_equal(const struct comparison *c, uint32_t id)
{
    struct error error = {0};
    struct feed_item *items;
    uint32_t count;
    must(query_open(c->view, id, 0, UINT32_MAX, c->arena, &items, &count,
                    &error),
         &error);
    SAME("opened", id, 0, count, naive_count(c->naive, id, NAIVE_OPEN));
    for (uint32_t i = 0; i < count; i++) {
        uint64_t p = items[i].position;
        const struct naive_cell *cell = &c->naive->publishers[id].cells[p];
        SAME("opened status", id, p, cell->status, NAIVE_OPEN);
        SAME("opened attempts", id, p, items[i].attempts, cell->attempts - 1);
        SAME("opened budget", id, p, items[i].budget_from, cell->budget_from);
        SAME("opened holds", id, p, items[i].holds, cell->holds);
        SAME("opened replay", id, p, items[i].replay_id, cell->replay_id);
        SAME("opened order", id, p, items[i].ordered, cell->ordered);
        SAME("opened doubt", id, p, items[i].doubt, cell->doubt);
        SAME("opened key", id, p, items[i].key,
             c->naive->messages[c->naive->at[p]].key);
    }
    return true;
}

static bool blocked_row_equal(const struct comparison *c, uint32_t id,
                              const struct blocked_key *got)
{
    struct blocked_key want = naive_blocked(c->naive, id, got->key);
    SAME("key head", id, 0, got->head, want.head);
    SAME("key waits", id, 0, got->waits, want.waits);
    SAME("key stuck", id, 0, got->stuck, want.stuck);
    SAME("key first parked", id, 0, got->first_parked, want.first_parked);
    SAME("key parked", id, 0, got->parked, want.parked);
    return true;
}

static bool parked_equal(const struct comparison *c, uint32_t id, uint64_t key)
{
    struct error error = {0};
    struct feed_item *items;
    uint32_t count;
    uint32_t k = 0;
    must(query_parked(c->view, id, key, 0, UINT32_MAX, SIZE_MAX, c->arena,
                      &items, &count, &error),
         &error);
    for (uint64_t p = 1; p <= c->naive->sequence; p++) {
        if (!naive_wants(c->naive, id, p) ||
            c->naive->publishers[id].cells[p].status != NAIVE_PARKED ||
            c->naive->messages[c->naive->at[p]].key != key)
            continue;
        SAME("parked end", id, p, k < count, true);
        SAME("parked position", id, p, items[k].position, p);
        k++;
    }
    SAME("parked of key", id, 0, count, k);
    return true;
}

static bool blocked_equal(const struct comparison *c, uint32_t id)
{
    struct error error = {0};
    struct blocked_key *keys;
    struct blocked_key first = {0};
    uint32_t count;
    uint32_t want = 0;
    uint64_t least = 0;
    must(query_blocked(c->view, id, 0, 100, c->arena, &keys, &count, &error),
         &error);
    for (uint32_t i = 0; i < count; i++)
        if (!blocked_row_equal(c, id, &keys[i]) ||
            !parked_equal(c, id, keys[i].key))
            return false;
    for (int i = 0; i < FIXTURE_KEYS; i++) {
        struct blocked_key row = naive_blocked(c->naive, id, fixture_key(i));
        want += row.waits + row.stuck + row.parked > 0;
        if (row.parked > 0 && (least == 0 || row.first_parked < least))
            least = row.first_parked;
    }
    SAME("blocked keys", id, 0, count, want);
    int rc = query_first_blocked(c->view, id, &first, &error);
    SAME("first blocked", id, 0, rc, least == 0 ? ERR_NOT_FOUND : 0);
    SAME("first blocked", id, 0, first.first_parked, least);
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
        SAME("waits", id, 0, got[i].ordered_waits,
             naive_ordered(c->naive, id, NAIVE_WAITING));
        SAME("stuck", id, 0, got[i].ordered_stuck,
             naive_ordered(c->naive, id, NAIVE_AMBIGUOUS));
        SAME("parked", id, 0, got[i].parked,
             naive_count(c->naive, id, NAIVE_PARKED));
        if (!due_equal(c, id, got[i].first_due_ms) || !open_equal(c, id) ||
            !blocked_equal(c, id))
            return false;
    }
    return true;
}

/* What is ahead from `next` on is the topic's tail. */
static bool ahead_equal(const struct comparison *c, uint32_t id)
{
    struct error error = {0};
    const struct naive_publisher *want = &c->naive->publishers[id];
    struct feed_item *items;
    uint32_t count;
    uint32_t k = 0;
    must(query_ahead(c->view, id, 0, 40, SIZE_MAX, c->arena, &items, &count,
                     &error),
         &error);
    for (uint64_t p = want->next; p <= c->naive->sequence && k < 40; p++) {
        if (!naive_wants(c->naive, id, p))
            continue;
        const struct naive_message *message =
            &c->naive->messages[c->naive->at[p]];
        bool discarded = want->cells[p].status == NAIVE_DISCARDED;
        SAME("feed end", id, p, k < count, true);
        SAME("feed", id, p, items[k].position, p);
        SAME("feed message", id, p, items[k].message.id, c->naive->at[p]);
        SAME("feed topic", id, p, items[k].message.topic_id, want->topic_id);
        SAME("feed key", id, p, items[k].key, message->key);
        SAME("feed discarded", id, p, items[k].discarded, discarded);
        if (want->ordering == ORDERING_KEY && !discarded)
            SAME("feed held", id, p, items[k].held,
                 naive_held(c->naive, id, message->key));
        k++;
    }
    SAME("feed length", id, 0, count, k);
    return true;
}

static bool feeds_equal(const struct comparison *c)
{
    for (uint32_t id = 1; id <= c->naive->publisher_count; id++)
        if (c->naive->publishers[id].exists && !ahead_equal(c, id))
            return false;
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
    case NAIVE_ABSENT:
    case NAIVE_STATUSES:
        return DELIVERY_FILTERED;
    case NAIVE_PARKED:
        return DELIVERY_PENDING;
    case NAIVE_DISCARDED:
        return DELIVERY_DISCARDED;
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
    bool waits = cell->status == NAIVE_WAITING;
    bool settled =
        cell->status == NAIVE_DEAD || cell->status == NAIVE_AMBIGUOUS ||
        cell->status == NAIVE_DELIVERED || cell->status == NAIVE_DISCARDED;
    SAME("wanted", id, position, naive_wants(c->naive, id, position), true);
    SAME("state", id, position, got->state, state_of(cell));
    SAME("is open", id, position, got->open, open);
    SAME("attempts", id, position, got->attempts,
         open ? cell->attempts - 1 : cell->attempts);
    SAME("processed", id, position, got->processed_ms,
         settled ? cell->since_ms : 0);
    SAME("next attempt", id, position, got->next_attempt_ms,
         cell->status == NAIVE_WAITING ? cell->due_ms : 0);
    SAME("is parked", id, position, got->parked, cell->status == NAIVE_PARKED);
    SAME("replay", id, position, got->replay_id, cell->replay_id);
    SAME("budget", id, position, got->budget_from, cell->budget_from);
    if (open || waits) {
        SAME("holds", id, position, got->holds, cell->holds);
        SAME("ordered", id, position, got->ordered, cell->ordered);
    }
    if (settled || waits)
        SAME("since", id, position, got->since_ms, cell->since_ms);
    if (cell->status != NAIVE_DELIVERED)
        SAME("doubt", id, position, got->maybe_duplicate, cell->doubt);
    return history_equal(c, position, got, cell);
}

static bool message_equal(const struct comparison *c, uint64_t id)
{
    struct error error = {0};
    struct message_view got;
    uint32_t wanted = 0;
    const struct naive_message *message = &c->naive->messages[id];
    int rc = query_message(c->view, id, c->arena, &got, &error);
    bool there = message->topic_id != 0 && !message->gone;
    SAME("message there", 0, id, rc, there ? 0 : ERR_NOT_FOUND);
    if (!there)
        return true;
    SAME("message topic", 0, id, got.message.topic_id, message->topic_id);
    SAME("message received", 0, id, got.message.received_ms,
         message->received_ms);
    SAME("message position", 0, id, got.position, message->position);
    for (uint32_t p = 1; p <= c->naive->publisher_count; p++)
        wanted += c->naive->publishers[p].exists &&
                  c->naive->publishers[p].topic_id == message->topic_id &&
                  (message->position == 0 ||
                   naive_wants(c->naive, p, message->position));
    SAME("deliveries", 0, id, got.delivery_count, wanted);
    for (uint32_t i = 0; i < got.delivery_count; i++) {
        if (message->position == 0)
            SAME("scheduled", 0, id, got.deliveries[i].state,
                 DELIVERY_SCHEDULED);
        else if (!delivery_equal(c, message->position, &got.deliveries[i]))
            return false;
    }
    return true;
}

static bool messages_equal(const struct comparison *c, bool deep,
                           uint64_t *random)
{
    uint64_t count = c->naive->sequence;
    if (deep) {
        for (uint64_t id = 1; id <= count; id++)
            if (!message_equal(c, id))
                return false;
        return true;
    }
    for (int i = 0; count > 0 && i < 4; i++) {
        uint64_t recent = count < 200 ? count : 200;
        uint64_t id = count - random_below(random, (uint32_t)recent);
        if (!message_equal(c, id) ||
            !message_equal(c, 1 + random_below(random, (uint32_t)count)))
            return false;
    }
    return true;
}

/* ---- Lists, explanations ---- */

static uint64_t recent_ms(const struct comparison *c, uint64_t *random)
{
    return c->naive->clock_ms -
           random_below(random, 20000) % c->naive->clock_ms;
}

static void random_times(const struct comparison *c, uint64_t *random,
                         struct message_query *query)
{
    if (random_below(random, 4) == 0)
        query->received_from_ms = recent_ms(c, random);
    if (random_below(random, 4) == 0)
        query->received_to_ms = recent_ms(c, random);
    if (random_below(random, 8) == 0)
        query->processed_from_ms = recent_ms(c, random);
    if (random_below(random, 8) == 0)
        query->processed_to_ms = recent_ms(c, random);
}

static struct message_query random_query(const struct comparison *c,
                                         uint64_t *random)
{
    struct message_query query = {.limit = 1 + random_below(random, 9),
                                  .any_state = random_below(random, 3) == 0};
    uint32_t publisher =
        1 + random_below(random, c->naive->publisher_count + 1);
    query.state = (enum delivery_state)random_below(random, 8);
    if (random_below(random, 3) != 0 &&
        publisher <= c->naive->publisher_count &&
        c->naive->publishers[publisher].exists)
        query.publisher_id = publisher;
    else if (c->naive->topic_count > 0 && random_below(random, 4) != 0)
        query.topic_id = 1 + random_below(random, c->naive->topic_count);
    if (query.topic_id != 0 && !c->naive->topics[query.topic_id].exists)
        query.topic_id = 0;
    if (query.topic_id + query.publisher_id != 0 &&
        random_below(random, 4) == 0)
        query.key = fixture_key_text((int)random_below(random, FIXTURE_KEYS));
    random_times(c, random, &query);
    return query;
}

/* Page after page, until the end or for a while. */
static bool list_equal(const struct comparison *c, uint64_t *random)
{
    struct error error = {0};
    struct message_query query = random_query(c, random);
    struct search_place at = {.ms = UINT64_MAX, .id = UINT64_MAX};
    int pages = message_query_by_processed(&query) ? 2 : 5;
    for (int page = 0; page < pages; page++) {
        struct message_page got;
        must(query_messages(c->view, NULL, &query, c->arena, &got, &error),
             &error);
        for (uint32_t i = 0; i < got.count; i++) {
            uint64_t id = 0;
            at = naive_list_next(c->naive, &query, at, &id);
            SAME("listed", query.publisher_id, at.id,
                 got.messages[i].message.id, id);
        }
        query.before = got.next;
        if (got.next.id != 0)
            continue;
        uint64_t id = 0;
        naive_list_next(c->naive, &query, at, &id);
        SAME("list end", query.publisher_id, at.id, 0, id);
        break;
    }
    return true;
}

static bool explain_equal(const struct comparison *c, uint64_t *random)
{
    struct error error = {0};
    struct explain got;
    uint64_t blocker;
    if (c->naive->publisher_count == 0 || c->naive->sequence == 0)
        return true;
    uint32_t recent =
        c->naive->sequence < 300 ? (uint32_t)c->naive->sequence : 300;
    uint64_t id = c->naive->sequence - random_below(random, recent);
    uint32_t publisher = 1 + random_below(random, c->naive->publisher_count);
    const struct naive_message *message = &c->naive->messages[id];
    if (message->topic_id == 0 || message->gone ||
        !c->naive->publishers[publisher].exists)
        return true;
    uint64_t now = c->naive->clock_ms;
    int rc = query_explain(c->view, id, publisher, now, c->arena, &got, &error);
    bool theirs = c->naive->publishers[publisher].topic_id == message->topic_id;
    SAME("explained", publisher, id, rc, theirs ? 0 : ERR_NOT_FOUND);
    if (!theirs)
        return true;
    SAME("reason", publisher, id, got.reason,
         naive_explain(c->naive, id, publisher, now, &blocker));
    SAME("blocker", publisher, id, got.blocking_position, blocker);
    return true;
}

static bool questions_equal(const struct comparison *c, uint64_t *random)
{
    for (int i = 0; i < 4; i++)
        if (!list_equal(c, random))
            return false;
    for (int i = 0; i < 20; i++)
        if (!explain_equal(c, random))
            return false;
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
    return topics_equal(&c) && schedules_equal(&c) && replays_equal(&c) &&
           publishers_equal(&c) && pipelines_equal(&c) && feeds_equal(&c) &&
           messages_equal(&c, deep, random) && questions_equal(&c, random);
}
