#include "raft/replica_core.h"

#include "base/memory.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>

_Static_assert((int)ENTRY_COMMAND == (int)RAFT_COMMAND &&
                   (int)ENTRY_BARRIER == (int)RAFT_BARRIER &&
                   (int)ENTRY_CHANGE == (int)RAFT_CHANGE,
               "entry types pass between the core and the log unchanged");

/* --- Effects ------------------------------------------------------------ */

static struct replica_effect *effect_at(const struct replica *replica, size_t i)
{
    return &replica->effects[(replica->effects_start + i) &
                             (replica->effects_capacity - 1)];
}

struct replica_effect *replica_push_effect(struct replica *replica)
{
    if (replica->effects_count == replica->effects_capacity) {
        size_t capacity =
            replica->effects_capacity == 0 ? 16 : replica->effects_capacity * 2;
        struct replica_effect *effects = memory_new(capacity * sizeof *effects);
        for (size_t i = 0; i < replica->effects_count; i++)
            effects[i] = *effect_at(replica, i);
        free(replica->effects);
        replica->effects = effects;
        replica->effects_start = 0;
        replica->effects_capacity = capacity;
    }
    struct replica_effect *effect =
        effect_at(replica, replica->effects_count++);
    memset(effect, 0, sizeof *effect);
    return effect;
}

bool replica_next_effect(struct replica *replica, struct replica_effect *ret)
{
    if (replica->effects_count == 0 || replica->holding)
        return false;
    *ret = *effect_at(replica, 0);
    replica->effects_start =
        (replica->effects_start + 1) & (replica->effects_capacity - 1);
    replica->effects_count--;
    replica->holding = ret->type == REPLICA_PERSIST_VOTE;
    return true;
}

void replica_effect_close(struct replica_effect *effect)
{
    if (effect->type != REPLICA_APPEND)
        return;
    for (size_t i = 0; i < effect->append.count; i++)
        entry_unref(&effect->append.entries[i]);
    free(effect->append.entries);
    buffer_unref(effect->append.base.configuration);
    effect->append.entries = NULL;
    effect->append.count = 0;
    effect->append.base.configuration = NULL;
}

/* --- Configurations ----------------------------------------------------- */

static void changes_add(struct replica *replica, uint64_t index,
                        struct buffer *bytes)
{
    if (replica->changes_count == replica->changes_capacity) {
        replica->changes_capacity =
            replica->changes_capacity == 0 ? 8 : replica->changes_capacity * 2;
        replica->changes =
            memory_resize(replica->changes,
                          replica->changes_capacity * sizeof *replica->changes);
    }
    replica->changes[replica->changes_count++] =
        (struct replica_change){.index = index, .bytes = buffer_ref(bytes)};
}

static void changes_cut(struct replica *replica, uint64_t index)
{
    while (replica->changes_count > 0 &&
           replica->changes[replica->changes_count - 1].index >= index)
        buffer_unref(replica->changes[--replica->changes_count].bytes);
}

/* The configuration in force at an index; NULL: none is known. */
static const struct replica_change *change_at(const struct replica *replica,
                                              uint64_t index)
{
    size_t i = replica->changes_count;
    while (i > 0 && replica->changes[i - 1].index > index)
        i--;
    return i == 0 ? NULL : &replica->changes[i - 1];
}

/* Nobody asks for points before this index any more. */
static void changes_forget(struct replica *replica, uint64_t index)
{
    size_t gone = 0;
    while (gone + 1 < replica->changes_count &&
           replica->changes[gone + 1].index <= index)
        buffer_unref(replica->changes[gone++].bytes);
    replica->changes_count -= gone;
    if (gone > 0)
        memmove(replica->changes, replica->changes + gone,
                replica->changes_count * sizeof *replica->changes);
}

static int decode_change(const struct replica_change *change,
                         struct raft_configuration *ret)
{
    struct raft_buffer bytes = {.base = change->bytes->data,
                                .len = change->bytes->length};
    return raft_configuration_decode(&bytes, ret);
}

void replica_settle(struct replica *replica, uint64_t index)
{
    const struct replica_change *change = change_at(replica, index);
    assert(change != NULL && change->index == index);
    struct raft_event event = {.type = RAFT_CONFIGURATION};
    event.configuration.index = index;
    replica->settled_index = index;
    int rc = decode_change(change, &event.configuration.conf);
    if (rc == 0)
        rc = replica_step(replica, replica->now_ms, &event);
    if (rc != 0)
        replica_fail(replica, rc, "a committed change of membership");
}

/* The core wants to hear of each CHANGE as soon as it is committed. */
static void settle_committed(struct replica *replica)
{
    for (size_t i = 0; i < replica->changes_count; i++) {
        uint64_t index = replica->changes[i].index;
        if (index > replica->settled_index && index <= replica->commit_index)
            replica_settle(replica, index);
    }
}

/* --- The step ----------------------------------------------------------- */

void replica_fail(struct replica *replica, int code, const char *event)
{
    if (replica->failure.code == 0)
        error_set(&replica->failure, ERR_IO, "the Raft core refused %s: %s",
                  event, raft_strerror(code));
}

/* The core's entry together with what came along with it. Entries that the
 * core made itself (its barrier) are copied. */
static struct entry own_entry(struct replica *replica, uint64_t index,
                              const struct raft_entry *raw)
{
    struct entry entry = {
        .index = index,
        .term = raw->term,
        .type = (enum entry_type)raw->type,
    };
    struct slice bytes = slice_of(raw->buf.base, raw->buf.len);
    const struct raft_entry *first = replica->incoming_raw;
    bool brought =
        first != NULL && raw >= first && raw < first + replica->incoming_count;
    struct entry *source = brought ? &replica->incoming[raw - first] : NULL;
    /* A CHANGE has a buffer of its own: it outlives its neighbours. */
    if (brought && (entry.type != ENTRY_CHANGE ||
                    source->buffer->length == source->payload.length)) {
        entry.buffer = source->buffer;
        entry.payload = source->payload;
        entry.checksum = source->checksum;
        source->buffer = NULL;
        return entry;
    }
    entry.checksum = brought ? source->checksum : entry_checksum(bytes);
    entry.buffer = entry_copy(bytes);
    if (entry.buffer == NULL)
        abort(); /* A few hundred bytes. */
    entry.payload = buffer_slice(entry.buffer);
    return entry;
}

static void take_entries(struct replica *replica,
                         const struct raft_update *update)
{
    uint64_t first = update->entries.index;
    size_t count = update->entries.n;
    const struct replica_change *change = change_at(replica, first - 1);
    if (first <= replica->tail.last_index) {
        tail_truncate(&replica->tail, first);
        changes_cut(replica, first);
    }
    struct replica_effect *effect = replica_push_effect(replica);
    effect->type = REPLICA_APPEND;
    effect->append.generation =
        guard_writes_begin(&replica->writes, first, first + count - 1);
    effect->append.base.index = first - 1;
    effect->append.base.term = tail_term(&replica->tail, first - 1);
    if (change != NULL) {
        effect->append.base.configuration_index = change->index;
        effect->append.base.configuration = buffer_ref(change->bytes);
    }
    effect->append.count = count;
    effect->append.entries =
        memory_new_zeroed(count, sizeof *effect->append.entries);
    for (size_t i = 0; i < count; i++) {
        struct entry entry =
            own_entry(replica, first + i, &update->entries.batch[i]);
        entry_ref(&entry);
        effect->append.entries[i] = entry;
        if (entry.type == ENTRY_CHANGE)
            changes_add(replica, entry.index, entry.buffer);
        tail_append(&replica->tail, &entry);
    }
    raft_free(update->entries.batch[0].batch);
}

static void stamp_result(const struct replica *replica,
                         struct replica_effect *effect)
{
    if (effect->send.message.append_entries_result.term ==
            replica->followed_term &&
        effect->send.to == replica->followed_id)
        effect->send.stamp = replica->followed_stamp;
}

static void take_message(struct replica *replica,
                         const struct raft_message *message)
{
    struct replica_effect *effect = replica_push_effect(replica);
    struct raft_message *copy = &effect->send.message;
    effect->type = REPLICA_SEND;
    effect->send.to = message->server_id;
    *copy = *message;
    /* They point into the core and live only until its next step. */
    copy->server_address = NULL;
    switch (message->type) {
    case RAFT_APPEND_ENTRIES:
        copy->append_entries.entries = NULL;
        effect->send.stamp.time_ms = replica->now_ms;
        break;
    case RAFT_APPEND_ENTRIES_RESULT:
        stamp_result(replica, effect);
        break;
    case RAFT_REQUEST_VOTE:
        /* The core would go on disturbing in later terms, when there may be
         * a leader that nobody has asked. */
        if (copy->request_vote.term != replica->disrupt_term)
            copy->request_vote.disrupt_leader = false;
        break;
    case RAFT_REQUEST_VOTE_RESULT:
        if (!copy->request_vote_result.vote_granted)
            copy->request_vote_result.term =
                guard_refusal_term(copy->request_vote_result.term,
                                   raft_current_term(&replica->raft));
        break;
    case RAFT_INSTALL_SNAPSHOT:
    case RAFT_TIMEOUT_NOW:
        break;
    }
}

static void take_messages(struct replica *replica,
                          const struct raft_update *update)
{
    for (unsigned i = 0; i < update->messages.n; i++)
        take_message(replica, &update->messages.batch[i]);
}

static void take_update(struct replica *replica,
                        const struct raft_update *update)
{
    /* The state is staged before such a message is stepped. */
    assert((update->flags & (RAFT_UPDATE_SNAPSHOT)) == 0);
    if (update->flags & (RAFT_UPDATE_CURRENT_TERM | RAFT_UPDATE_VOTED_FOR)) {
        struct replica_effect *effect = replica_push_effect(replica);
        effect->type = REPLICA_PERSIST_VOTE;
        effect->vote.term = raft_current_term(&replica->raft);
        effect->vote.vote = raft_voted_for(&replica->raft);
    }
    if (update->flags & (RAFT_UPDATE_ENTRIES))
        take_entries(replica, update);
    if (update->flags & (RAFT_UPDATE_MESSAGES))
        take_messages(replica, update);
    replica->commit_index =
        guard_commit(replica->commit_index, raft_commit_index(&replica->raft));
}

/* A new leader first commits an entry of its own term. The core's barrier will
 * do, when it wrote one. */
static void note_leadership(struct replica *replica)
{
    uint64_t term = raft_current_term(&replica->raft);
    if (raft_state(&replica->raft) != RAFT_LEADER) {
        replica->leader_term = 0;
        replica->barrier_index = 0;
        return;
    }
    if (replica->leader_term == term)
        return;
    replica->leader_term = term;
    replica->barrier_index = 0;
    uint64_t last = replica->tail.last_index;
    replica->lease = (struct lease){0};
    replica->transfer_index = 0;
    replica->transferring = false;
    if (guard_needs_barrier(term, tail_term(&replica->tail, last)))
        replica_submit_barrier(replica, &last);
    replica->barrier_index = last;
}

int replica_step(struct replica *replica, uint64_t now_ms,
                 struct raft_event *event)
{
    struct raft_update update = {0};
    if (now_ms > replica->now_ms)
        replica->now_ms = now_ms;
    event->time = replica->now_ms;
    int rc = raft_step(&replica->raft, event, &update);
    if (rc != 0)
        return rc;
    take_update(replica, &update);
    settle_committed(replica);
    note_leadership(replica);
    return 0;
}

/* --- Events ------------------------------------------------------------- */

int replica_submit_entry(struct replica *replica, enum entry_type type,
                         struct buffer *payload, uint64_t *ret_index)
{
    struct slice bytes = buffer_slice(payload);
    uint64_t index = replica->tail.last_index + 1;
    struct entry entry = {
        .checksum = entry_checksum(bytes),
        .payload = bytes,
        .buffer = payload,
    };
    struct raft_entry raw = {
        .term = raft_current_term(&replica->raft),
        .type = (enum raft_entry_type)type,
        .buf = {.base = payload->data, .len = payload->length},
        .batch = raft_malloc(1),
    };
    if (raw.batch == NULL)
        return RAFT_NOMEM;
    struct raft_event event = {.type = RAFT_SUBMIT};
    event.submit.entries = &raw;
    event.submit.n = 1;
    replica->incoming_raw = &raw;
    replica->incoming = &entry;
    replica->incoming_count = 1;
    int rc = replica_step(replica, replica->now_ms, &event);
    replica->incoming_raw = NULL;
    replica->incoming_count = 0;
    if (rc != 0) {
        raft_free(raw.batch);
        return rc;
    }
    *ret_index = index;
    return 0;
}

void replica_submit_barrier(struct replica *replica, uint64_t *ret_index)
{
    struct buffer *empty = entry_copy(slice_of(NULL, 0));
    int rc = empty == NULL ? RAFT_NOMEM
                           : replica_submit_entry(replica, ENTRY_BARRIER, empty,
                                                  ret_index);
    if (rc == 0)
        return;
    buffer_unref(empty);
    replica_fail(replica, rc, "a barrier");
}

int replica_submit(struct replica *replica, uint64_t now_ms,
                   struct buffer *command, uint64_t *ret_index)
{
    if (now_ms > replica->now_ms)
        replica->now_ms = now_ms;
    int rc = replica_submit_entry(replica, ENTRY_COMMAND, command, ret_index);
    if (rc == RAFT_NOTLEADER)
        return ERR_NOT_LEADER;
    if (rc != 0) {
        replica_fail(replica, rc, "a command");
        return ERR_IO;
    }
    return 0;
}

void replica_tick(struct replica *replica, uint64_t now_ms)
{
    struct raft_event event = {.type = RAFT_TIMEOUT};
    if (now_ms < replica_deadline_ms(replica))
        return;
    replica->last_fired_ms = now_ms;
    int rc = replica_step(replica, now_ms, &event);
    if (rc != 0)
        replica_fail(replica, rc, "a timeout");
    replica_end_transfer(replica);
}

uint64_t replica_deadline_ms(const struct replica *replica)
{
    return guard_deadline(raft_timeout(&replica->raft), replica->last_fired_ms,
                          replica->options.heartbeat_ms);
}

void replica_vote_persisted(struct replica *replica, uint64_t now_ms)
{
    assert(replica->holding);
    replica->holding = false;
    if (now_ms > replica->now_ms)
        replica->now_ms = now_ms;
}

void replica_persisted(struct replica *replica, uint64_t now_ms,
                       uint64_t generation)
{
    struct raft_event event = {.type = RAFT_PERSISTED_ENTRIES};
    uint64_t durable = guard_writes_end(&replica->writes, generation);
    if (durable <= replica->raft.last_stored)
        return;
    event.persisted_entries.index = durable;
    int rc = replica_step(replica, now_ms, &event);
    if (rc != 0)
        replica_fail(replica, rc, "durable entries");
    tail_evict(&replica->tail, replica->raft.last_stored);
}

bool replica_forget(struct replica *replica, uint64_t now_ms,
                    uint64_t durable_index, uint64_t base_index)
{
    struct raft_event event = {.type = RAFT_SNAPSHOT};
    struct raft_snapshot_metadata *metadata = &event.snapshot.metadata;
    uint64_t index = durable_index < replica->raft.last_stored
                         ? durable_index
                         : replica->raft.last_stored;
    if (index > replica->handed_index)
        index = replica->handed_index;
    const struct replica_change *change = change_at(replica, index);
    if (index <= replica->raft.trail.snapshot.index || base_index >= index ||
        change == NULL || replica->raft.snapshot.installing)
        return false;
    metadata->index = index;
    metadata->term = tail_term(&replica->tail, index);
    metadata->configuration_index = change->index;
    event.snapshot.trailing = (unsigned)(index - base_index);
    int rc = decode_change(change, &metadata->configuration);
    if (rc == 0)
        rc = replica_step(replica, now_ms, &event);
    if (rc != 0) {
        replica_fail(replica, rc, "a shorter log");
        return false;
    }
    tail_forget(&replica->tail, base_index);
    changes_forget(replica, index);
    return true;
}

/* --- Committed entries -------------------------------------------------- */

enum replica_offer replica_peek(struct replica *replica,
                                struct entry *ret_entry)
{
    /* Others may commit what is not yet durable here. The store must not get
     * ahead of the own log: after a crash the log would seem to have lost
     * entries. */
    uint64_t limit = replica->commit_index < replica->raft.last_stored
                         ? replica->commit_index
                         : replica->raft.last_stored;
    while (!replica->holding && replica->handed_index < limit) {
        uint64_t index = replica->handed_index + 1;
        const struct entry *entry = tail_find(&replica->tail, index);
        if (entry == NULL) {
            *ret_entry = (struct entry){.index = index};
            return REPLICA_ABSENT;
        }
        if (entry->type == ENTRY_COMMAND) {
            *ret_entry = *entry;
            return REPLICA_ENTRY;
        }
        replica->handed_index++;
    }
    return REPLICA_NOTHING;
}

void replica_handed(struct replica *replica)
{
    assert(replica->handed_index < replica->commit_index);
    replica->handed_index++;
}

/* --- Beginning and end -------------------------------------------------- */

/* Terms and configurations of what is on disk. */
static void load_log(struct replica *replica, const struct replica_start *start)
{
    tail_init(&replica->tail, start->base.index, start->base.term,
              replica->options.tail_bytes);
    if (start->base.configuration != NULL)
        changes_add(replica, start->base.configuration_index,
                    start->base.configuration);
    for (size_t i = 0; i < start->count; i++) {
        const struct entry *entry = &start->entries[i];
        assert(entry->index == start->base.index + 1 + i);
        tail_skip(&replica->tail, entry->term);
        if (entry->type == ENTRY_CHANGE)
            changes_add(replica, entry->index, entry->buffer);
    }
}

/* A sole voter starts in a new term, in which it has voted for itself. */
static int start_term(struct replica *replica,
                      const struct replica_start *start, uint64_t *ret_term,
                      uint64_t *ret_vote)
{
    struct raft_configuration configuration;
    const struct replica_change *newest =
        change_at(replica, replica->tail.last_index);
    *ret_term = start->term;
    *ret_vote = start->vote;
    if (newest == NULL)
        return 0;
    int rc = decode_change(newest, &configuration);
    if (rc != 0)
        return rc;
    if (guard_is_sole_voter(&configuration, replica->options.id)) {
        *ret_term = start->term + 1;
        *ret_vote = replica->options.id;
        struct replica_effect *effect = replica_push_effect(replica);
        effect->type = REPLICA_PERSIST_VOTE;
        effect->vote.term = *ret_term;
        effect->vote.vote = *ret_vote;
    }
    raft_configuration_close(&configuration);
    return 0;
}

static struct raft_entry *core_entries(const struct replica_start *start)
{
    struct raft_entry *entries =
        memory_new_zeroed(start->count, sizeof *entries);
    for (size_t i = 0; i < start->count; i++) {
        const struct entry *entry = &start->entries[i];
        entries[i].term = entry->term;
        entries[i].type = (enum raft_entry_type)entry->type;
        entries[i].buf.base = (void *)entry->payload.data;
        entries[i].buf.len = entry->payload.length;
    }
    return entries;
}

/* To the core, what the store holds is a snapshot, and the entries up to there
 * are its trail. */
static int start_core(struct replica *replica,
                      const struct replica_start *start)
{
    struct raft_event event = {.type = RAFT_START};
    struct raft_snapshot_metadata metadata = {0};
    uint64_t term;
    uint64_t vote;
    int rc = start_term(replica, start, &term, &vote);
    if (rc != 0)
        return rc;
    event.start.term = term;
    event.start.voted_for = vote;
    event.start.start_index = start->base.index + 1;
    event.start.n_entries = (unsigned)start->count;
    uint64_t snapshot = replica->handed_index;
    if (snapshot > 0) {
        const struct replica_change *change = change_at(replica, snapshot);
        if (change == NULL)
            return RAFT_CORRUPT;
        metadata.index = snapshot;
        metadata.term = tail_term(&replica->tail, snapshot);
        metadata.configuration_index = change->index;
        rc = decode_change(change, &metadata.configuration);
        if (rc != 0)
            return rc;
        event.start.metadata = &metadata;
        replica->settled_index = change->index;
    }
    struct raft_entry *entries = core_entries(start);
    event.start.entries = entries;
    rc = replica_step(replica, start->now_ms, &event);
    free(entries);
    return rc;
}

int replica_new(const struct replica_options *options,
                const struct replica_start *start, struct replica **ret,
                struct error *error)
{
    struct replica *replica = memory_new_zeroed(1, sizeof *replica);
    replica->options = *options;
    replica->now_ms = start->now_ms;
    replica->handed_index = start->applied_index > start->base.index
                                ? start->applied_index
                                : start->base.index;
    replica->commit_index = replica->handed_index;
    assert(replica->handed_index <= start->base.index + start->count);
    int rc =
        raft_init(&replica->raft, NULL, NULL, options->id, options->address);
    if (rc != 0) {
        free(replica);
        return error_set(error, ERR_NO_MEMORY, "start the Raft core: %s",
                         raft_strerror(rc));
    }
    /* With a tracer the core formats a text for every event. */
    replica->raft.tracer = NULL;
    replica->raft.now = start->now_ms;
    raft_seed(&replica->raft, options->seed);
    raft_set_election_timeout(&replica->raft, options->election_timeout_ms);
    raft_set_heartbeat_timeout(&replica->raft, options->heartbeat_ms);
    raft_set_pre_vote(&replica->raft, true);
    raft_set_max_inflight_entries(&replica->raft, REPLICA_WINDOW_ENTRIES);
    /* B9: at the threshold the core refuses its own barrier. Space is checked
     * before submitting. */
    raft_set_capacity_threshold(&replica->raft, 0);
    load_log(replica, start);
    /* It may have followed a leader until just now. */
    replica->promise_until_ms = start->now_ms + options->election_timeout_ms;
    rc = start_core(replica, start);
    if (rc != 0) {
        replica_free(replica);
        return error_set(error, rc == RAFT_NOMEM ? ERR_NO_MEMORY : ERR_CORRUPT,
                         "the Raft core refused the log: %s",
                         raft_strerror(rc));
    }
    *ret = replica;
    return 0;
}

void replica_free(struct replica *replica)
{
    if (replica == NULL)
        return;
    for (size_t i = 0; i < replica->effects_count; i++)
        replica_effect_close(effect_at(replica, i));
    free(replica->effects);
    changes_cut(replica, 0);
    free(replica->changes);
    guard_writes_close(&replica->writes);
    tail_close(&replica->tail);
    raft_close(&replica->raft, NULL);
    free(replica);
}
