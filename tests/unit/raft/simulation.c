#include "simulation.h"

#include "base/memory.h"
#include "raft/replica.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    MEMBERS_MAX = 3,
    LOG_MAX = 20000,
    PAYLOAD_MAX = 160,
    TERMS_MAX = 20000,
    ELECTION_MS = 200,
    HEARTBEAT_MS = 40,
    /* Quiet at the end, in which all must agree. */
    QUIET_MS = 60 * ELECTION_MS,
    /* Entries that a leader gives to a slow disk ahead. */
    UNWRITTEN_MAX = 8,
};

struct record {
    uint64_t term;
    enum entry_type type;
    size_t length;
    uint8_t payload[PAYLOAD_MAX];
};

/* An operation of a member's disk. */
struct write {
    struct write *next;
    uint64_t due_ms;
    bool is_vote;
    uint64_t term;
    uint64_t vote;
    uint64_t generation;
    uint64_t first_index;
    size_t count;
    struct record *records;
};

struct message {
    struct message *next;
    uint64_t due_ms;
    unsigned from;
    unsigned to;
    struct raft_message raft;
    struct frame_stamp stamp;
    struct record *records;
};

struct member {
    struct replica *replica; /* NULL: down. */
    uint64_t id;
    uint64_t boots;
    uint64_t up_again_ms;
    /* Durable. */
    uint64_t term;
    uint64_t vote;
    uint64_t base_index;
    uint64_t last_index;
    struct record *log;
    uint64_t store_index;
    /* In memory: what was given to the disk, finished or not. */
    uint64_t view_last;
    struct record *view;
    struct write *writes;
    struct write **writes_end;
    uint64_t handed;
    uint64_t leading_term;
    bool slow;
};

struct pending {
    uint64_t index;
    uint64_t term;
    unsigned member;
    uint64_t boot;
};

struct simulation {
    struct simulation_options options;
    struct simulation_result *result;
    uint64_t now_ms;
    uint64_t random;
    bool quiet;
    struct member members[MEMBERS_MAX];
    struct message *messages;
    /* The oracle. */
    struct record *committed; /* type 0: nothing known. */
    uint64_t committed_last;
    bool *acknowledged;
    struct pending pending;
    uint64_t leader_of[TERMS_MAX]; /* Boot and member, plus one. */
    uint8_t votes[TERMS_MAX][MEMBERS_MAX];
    uint64_t next_value;
};

static void violate(struct simulation *simulation, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static void violate(struct simulation *simulation, const char *format, ...)
{
    struct simulation_result *result = simulation->result;
    if (result->violation[0] != '\0')
        return;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(result->violation, sizeof result->violation, format, arguments);
    va_end(arguments);
}

static uint64_t below(struct simulation *simulation, uint64_t limit)
{
    uint64_t bits = simulation->random;
    bits ^= bits << 13;
    bits ^= bits >> 7;
    bits ^= bits << 17;
    simulation->random = bits;
    return (bits >> 11) % limit;
}

static bool chance(struct simulation *simulation, uint64_t per_thousand)
{
    return below(simulation, 1000) < per_thousand;
}

static bool same_record(const struct record *a, const struct record *b)
{
    return a->term == b->term && a->type == b->type && a->length == b->length &&
           memcmp(a->payload, b->payload, a->length) == 0;
}

static struct record record_of(const struct entry *entry)
{
    struct record record = {.term = entry->term,
                            .type = entry->type,
                            .length = entry->payload.length};
    assert(record.length <= PAYLOAD_MAX);
    memcpy(record.payload, entry->payload.data, record.length);
    return record;
}

static struct entry entry_of(uint64_t index, const struct record *record)
{
    struct buffer *buffer =
        entry_copy(slice_of(record->payload, record->length));
    assert(buffer != NULL);
    return (struct entry){
        .index = index,
        .term = record->term,
        .checksum = entry_checksum(buffer_slice(buffer)),
        .type = record->type,
        .payload = buffer_slice(buffer),
        .buffer = buffer,
    };
}

/* --- Disk --------------------------------------------------------------- */

static uint64_t disk_delay(struct simulation *simulation,
                           const struct member *member)
{
    return member->slow ? 5 + below(simulation, 120) : below(simulation, 4);
}

static void queue_write(struct simulation *simulation, struct member *member,
                        struct write *write)
{
    uint64_t after = simulation->now_ms;
    for (struct write *other = member->writes; other != NULL;
         other = other->next)
        after = other->due_ms > after ? other->due_ms : after;
    write->due_ms = after + disk_delay(simulation, member);
    write->next = NULL;
    *member->writes_end = write;
    member->writes_end = &write->next;
}

/* The first `count` entries of a write reach the disk. */
static void apply_write(struct member *member, const struct write *write,
                        size_t count)
{
    if (write->is_vote) {
        member->term = write->term;
        member->vote = write->vote;
        return;
    }
    for (size_t i = 0; i < count; i++) {
        member->log[write->first_index + i] = write->records[i];
        member->last_index = write->first_index + i;
    }
}

static struct write *take_write(struct member *member)
{
    struct write *write = member->writes;
    member->writes = write->next;
    if (member->writes == NULL)
        member->writes_end = &member->writes;
    return write;
}

static void free_write(struct write *write)
{
    free(write->records);
    free(write);
}

static void settle(struct simulation *simulation, struct member *member);

static void finish_writes(struct simulation *simulation, struct member *member)
{
    bool early = simulation->options.broken == SIMULATION_ACKNOWLEDGE_EARLY;
    while (member->replica != NULL && member->writes != NULL &&
           member->writes->due_ms <= simulation->now_ms) {
        struct write *write = take_write(member);
        apply_write(member, write, write->count);
        if (write->is_vote)
            replica_vote_persisted(member->replica, simulation->now_ms);
        else if (!early)
            replica_persisted(member->replica, simulation->now_ms,
                              write->generation);
        free_write(write);
        settle(simulation, member);
    }
}

/* --- Network ------------------------------------------------------------ */

/* What others are told must be durable before. */
static void check_promise(struct simulation *simulation,
                          const struct member *member,
                          const struct raft_message *message)
{
    unsigned number = (unsigned)(member->id - 1);
    if (message->type == RAFT_REQUEST_VOTE && !message->request_vote.pre_vote &&
        (member->term != message->request_vote.term ||
         member->vote != member->id))
        violate(simulation, "member %u asks for votes in term %llu unsaved",
                number, message->request_vote.term);
    const struct raft_request_vote_result *result =
        &message->request_vote_result;
    if (message->type == RAFT_REQUEST_VOTE_RESULT && result->vote_granted &&
        !result->pre_vote) {
        uint8_t *vote = &simulation->votes[result->term][number];
        uint8_t candidate = (uint8_t)message->server_id;
        if (member->term != result->term || member->vote != message->server_id)
            violate(simulation, "member %u grants a vote unsaved", number);
        if (*vote != 0 && *vote != candidate)
            violate(simulation, "member %u votes twice in term %llu", number,
                    result->term);
        *vote = candidate;
    }
    if (message->type == RAFT_APPEND_ENTRIES_RESULT &&
        message->append_entries_result.rejected == 0 &&
        message->append_entries_result.last_log_index > member->last_index)
        violate(simulation, "member %u acknowledges %llu, but has %" PRIu64,
                number, message->append_entries_result.last_log_index,
                member->last_index);
}

static struct message *copy_message(const struct message *message)
{
    struct message *copy = memory_new(sizeof *copy);
    *copy = *message;
    if (message->records != NULL) {
        size_t size =
            message->raft.append_entries.n_entries * sizeof *message->records;
        copy->records = memory_new(size);
        memcpy(copy->records, message->records, size);
    }
    return copy;
}

static void put_message(struct simulation *simulation, struct message *message)
{
    uint64_t delay = 1 + below(simulation, 5);
    if (!simulation->quiet && chance(simulation, 50))
        delay += below(simulation, 600);
    message->due_ms = simulation->now_ms + delay;
    message->next = simulation->messages;
    simulation->messages = message;
}

static void send_message(struct simulation *simulation, struct member *member,
                         const struct raft_message *raft,
                         const struct frame_stamp *stamp)
{
    struct message message = {
        .from = (unsigned)(member->id - 1),
        .to = (unsigned)(raft->server_id - 1),
        .raft = *raft,
        .stamp = *stamp,
    };
    assert(message.to < simulation->options.members);
    check_promise(simulation, member, raft);
    if (!simulation->quiet && chance(simulation, 30))
        return;
    const struct raft_append_entries *append = &raft->append_entries;
    if (raft->type == RAFT_APPEND_ENTRIES && append->n_entries > 0) {
        assert(append->prev_log_index + append->n_entries <= member->view_last);
        message.records = &member->view[append->prev_log_index + 1];
    }
    put_message(simulation, copy_message(&message));
    if (!simulation->quiet && chance(simulation, 30))
        put_message(simulation, copy_message(&message));
}

static void deliver(struct simulation *simulation, struct message *message)
{
    struct member *member = &simulation->members[message->to];
    unsigned count = message->raft.type == RAFT_APPEND_ENTRIES
                         ? message->raft.append_entries.n_entries
                         : 0;
    struct entry *entries = memory_new_zeroed(count, sizeof *entries);
    if (member->replica != NULL) {
        for (unsigned i = 0; i < count; i++)
            entries[i] =
                entry_of(message->raft.append_entries.prev_log_index + 1 + i,
                         &message->records[i]);
        replica_receive(member->replica, simulation->now_ms, message->from + 1,
                        &message->raft, &message->stamp, entries);
        settle(simulation, member);
    }
    free(entries);
    free(message->records);
    free(message);
}

static void deliver_due(struct simulation *simulation)
{
    struct message **at = &simulation->messages;
    struct message *due = NULL;
    while (*at != NULL) {
        struct message *message = *at;
        if (message->due_ms > simulation->now_ms) {
            at = &message->next;
            continue;
        }
        *at = message->next;
        message->next = due;
        due = message;
    }
    while (due != NULL) {
        struct message *next = due->next;
        deliver(simulation, due);
        due = next;
    }
}

/* --- Effects and the oracle --------------------------------------------- */

static void perform_append(struct simulation *simulation, struct member *member,
                           const struct replica_effect *effect)
{
    struct write *write = memory_new_zeroed(1, sizeof *write);
    write->generation = effect->append.generation;
    write->first_index = effect->append.entries[0].index;
    write->count = effect->append.count;
    write->records = memory_new(write->count * sizeof *write->records);
    const struct log_base *base = &effect->append.base;
    if (base->index != write->first_index - 1 ||
        (base->index > 0 && base->index > member->base_index &&
         base->term != member->view[base->index].term))
        violate(simulation, "an append has a wrong base");
    for (size_t i = 0; i < write->count; i++) {
        write->records[i] = record_of(&effect->append.entries[i]);
        member->view[write->first_index + i] = write->records[i];
    }
    member->view_last = write->first_index + write->count - 1;
    assert(member->view_last + 1000 < LOG_MAX);
    queue_write(simulation, member, write);
    if (simulation->options.broken == SIMULATION_ACKNOWLEDGE_EARLY)
        replica_persisted(member->replica, simulation->now_ms,
                          write->generation);
}

static void perform_vote(struct simulation *simulation, struct member *member,
                         const struct replica_effect *effect)
{
    if (simulation->options.broken == SIMULATION_FORGET_VOTES) {
        replica_vote_persisted(member->replica, simulation->now_ms);
        return;
    }
    struct write *write = memory_new_zeroed(1, sizeof *write);
    write->is_vote = true;
    write->term = effect->vote.term;
    write->vote = effect->vote.vote;
    queue_write(simulation, member, write);
}

static void perform(struct simulation *simulation, struct member *member)
{
    struct replica_effect effect;
    while (replica_next_effect(member->replica, &effect)) {
        switch (effect.type) {
        case REPLICA_PERSIST_VOTE:
            perform_vote(simulation, member, &effect);
            break;
        case REPLICA_APPEND:
            perform_append(simulation, member, &effect);
            break;
        case REPLICA_SEND:
            send_message(simulation, member, &effect.send.message,
                         &effect.send.stamp);
            break;
        }
        replica_effect_close(&effect);
    }
}

/* An entry is handed over: it must be what was committed there before, and no
 * command may be left out. */
static void check_entry(struct simulation *simulation, struct member *member,
                        uint64_t index, const struct record *record)
{
    struct record *known = &simulation->committed[index];
    for (uint64_t i = member->handed + 1; i < index; i++)
        if (member->view[i].type == ENTRY_COMMAND)
            violate(simulation, "entry %" PRIu64 " was left out", i);
    if (index <= member->handed)
        violate(simulation, "entry %" PRIu64 " came twice", index);
    if (known->type != 0 && !same_record(known, record))
        violate(simulation, "entry %" PRIu64 " was committed as another",
                index);
    if (known->type == 0) {
        *known = *record;
        simulation->result->committed++;
    }
    if (index > simulation->committed_last)
        simulation->committed_last = index;
    member->handed = index;
    const struct pending *pending = &simulation->pending;
    if (pending->index == index && pending->term == record->term &&
        &simulation->members[pending->member] == member &&
        pending->boot == member->boots) {
        simulation->acknowledged[index] = true;
        simulation->result->acknowledged++;
    }
}

static void hand_over(struct simulation *simulation, struct member *member)
{
    for (;;) {
        struct entry entry;
        struct record record;
        switch (replica_peek(member->replica, &entry)) {
        case REPLICA_NOTHING:
            return;
        case REPLICA_ENTRY:
            record = record_of(&entry);
            check_entry(simulation, member, entry.index, &record);
            break;
        case REPLICA_ABSENT:
            record = member->view[entry.index];
            if (record.type == ENTRY_COMMAND)
                check_entry(simulation, member, entry.index, &record);
            break;
        }
        replica_handed(member->replica);
    }
}

static void check_leader(struct simulation *simulation, struct member *member)
{
    uint64_t term = replica_leading(member->replica);
    if (term == 0 || term == member->leading_term)
        return;
    uint64_t who = member->boots * MEMBERS_MAX + member->id;
    member->leading_term = term;
    simulation->result->elections++;
    if (simulation->leader_of[term] != 0 && simulation->leader_of[term] != who)
        violate(simulation, "term %" PRIu64 " has two leaders", term);
    simulation->leader_of[term] = who;
    /* Leader completeness, figure 3: it holds all that was acknowledged. */
    for (uint64_t i = member->base_index + 1; i <= simulation->committed_last;
         i++)
        if (simulation->acknowledged[i] &&
            (i > member->view_last ||
             !same_record(&member->view[i], &simulation->committed[i])))
            violate(simulation,
                    "the leader of term %" PRIu64 " lacks entry %" PRIu64, term,
                    i);
}

/* While a leader has its lease nobody else leads in a later term: what it
 * delivers and reads then is its alone. */
static void check_lease(struct simulation *simulation,
                        const struct member *member)
{
    uint64_t now = simulation->now_ms;
    if (member->replica == NULL ||
        replica_lease_until_ms(member->replica, now) <= now)
        return;
    simulation->result->leases++;
    uint64_t term = replica_leading(member->replica);
    for (unsigned i = 0; i < simulation->options.members; i++) {
        const struct member *other = &simulation->members[i];
        if (other == member || other->replica == NULL)
            continue;
        struct replica_status status = replica_status(other->replica);
        if (status.state == RAFT_LEADER && status.term > term)
            violate(simulation,
                    "a leader of term %" PRIu64 " while term %" PRIu64
                    " has its lease",
                    status.term, term);
    }
}

/* Leadership goes to whom has everything, if anyone. */
static void transfer(struct simulation *simulation, struct member *member)
{
    uint64_t to = below(simulation, simulation->options.members) + 1;
    if (to == member->id)
        return;
    if (replica_transfer(member->replica, simulation->now_ms, to) == 0)
        simulation->result->transfers++;
    settle(simulation, member);
}

/* After every event. */
static void settle(struct simulation *simulation, struct member *member)
{
    struct error error = {0};
    perform(simulation, member);
    hand_over(simulation, member);
    check_leader(simulation, member);
    perform(simulation, member);
    if (replica_failure(member->replica, &error) != 0)
        violate(simulation, "%s", error.text);
}

/* --- Members ------------------------------------------------------------ */

static struct record first_record(unsigned members)
{
    struct raft_configuration configuration;
    struct raft_buffer bytes;
    struct record record = {.term = 1, .type = ENTRY_CHANGE};
    raft_configuration_init(&configuration);
    for (unsigned i = 0; i < members; i++) {
        char address[16];
        snprintf(address, sizeof address, "m%u", i);
        raft_configuration_add(&configuration, i + 1, address, RAFT_VOTER);
    }
    raft_configuration_encode(&configuration, &bytes);
    raft_configuration_close(&configuration);
    assert(bytes.len <= PAYLOAD_MAX);
    record.length = bytes.len;
    memcpy(record.payload, bytes.base, bytes.len);
    raft_free(bytes.base);
    return record;
}

static void boot(struct simulation *simulation, struct member *member)
{
    struct error error = {0};
    if (member->last_index < member->store_index) {
        violate(simulation, "member %" PRIu64 "'s log ends before its store",
                member->id - 1);
        return;
    }
    size_t count = (size_t)(member->last_index - member->base_index);
    struct entry *entries = memory_new_zeroed(count, sizeof *entries);
    for (size_t i = 0; i < count; i++) {
        uint64_t index = member->base_index + 1 + i;
        entries[i] = entry_of(index, &member->log[index]);
    }
    struct entry first = entry_of(1, &member->log[1]);
    const struct replica_options options = {
        .id = member->id,
        .address = "m",
        .election_timeout_ms = ELECTION_MS,
        .heartbeat_ms = HEARTBEAT_MS,
        .seed = (unsigned)below(simulation, UINT32_MAX),
        .tail_bytes = 2000,
    };
    struct replica_start start = {
        .now_ms = simulation->now_ms,
        .term = member->term,
        .vote = member->vote,
        .base = {.index = member->base_index,
                 .term = member->log[member->base_index].term},
        .entries = entries,
        .count = count,
        .applied_index = member->store_index,
    };
    if (member->base_index > 0) {
        start.base.configuration_index = 1;
        start.base.configuration = first.buffer;
    }
    memcpy(member->view, member->log, LOG_MAX * sizeof *member->view);
    member->view_last = member->last_index;
    member->handed = member->store_index;
    member->leading_term = 0;
    member->boots++;
    int rc = replica_new(&options, &start, &member->replica, &error);
    for (size_t i = 0; i < count; i++)
        entry_unref(&entries[i]);
    entry_unref(&first);
    free(entries);
    if (rc != 0) {
        member->replica = NULL;
        violate(simulation, "%s", error.text);
        return;
    }
    settle(simulation, member);
}

/* Some of the unfinished writes reach the disk, the next one in part. */
static void crash(struct simulation *simulation, struct member *member)
{
    bool lost = false;
    while (member->writes != NULL) {
        struct write *write = take_write(member);
        if (!lost && chance(simulation, 500)) {
            apply_write(member, write, write->count);
        } else {
            if (!lost && !write->is_vote)
                apply_write(member, write,
                            (size_t)below(simulation, write->count));
            lost = true;
        }
        free_write(write);
    }
    replica_free(member->replica);
    member->replica = NULL;
    member->up_again_ms = simulation->now_ms + below(simulation, 800);
    simulation->result->crashes++;
}

/* The store commits what it was handed, and the log is relieved of what all
 * members hold. */
static void save_store(struct simulation *simulation, struct member *member)
{
    uint64_t room = member->handed - member->store_index;
    member->store_index += below(simulation, room + 1);
    uint64_t least = member->store_index;
    for (unsigned i = 0; i < simulation->options.members; i++) {
        const struct member *other = &simulation->members[i];
        if (other->store_index < least)
            least = other->store_index;
    }
    if (least < member->base_index + 20 || !chance(simulation, 100))
        return;
    uint64_t base = least - 10;
    if (replica_forget(member->replica, simulation->now_ms, member->store_index,
                       base)) {
        simulation->result->forgotten += base - member->base_index;
        member->base_index = base;
    }
    settle(simulation, member);
}

static void submit(struct simulation *simulation, struct member *member)
{
    uint64_t index = 0;
    uint64_t value = ++simulation->next_value;
    struct replica_status status = replica_status(member->replica);
    if (status.last_index - status.persisted_index > UNWRITTEN_MAX)
        return;
    struct buffer *buffer = entry_copy(slice_of(&value, sizeof value));
    assert(buffer != NULL);
    uint64_t term = replica_leading(member->replica);
    if (replica_submit(member->replica, simulation->now_ms, buffer, &index) !=
        0) {
        buffer_unref(buffer);
        return;
    }
    simulation->pending = (struct pending){
        .index = index,
        .term = term,
        .member = (unsigned)(member->id - 1),
        .boot = member->boots,
    };
    settle(simulation, member);
}

/* --- The run ------------------------------------------------------------ */

static void step_member(struct simulation *simulation, struct member *member)
{
    if (member->replica == NULL) {
        if (simulation->now_ms >= member->up_again_ms)
            boot(simulation, member);
        return;
    }
    finish_writes(simulation, member);
    if (replica_deadline_ms(member->replica) <= simulation->now_ms) {
        replica_tick(member->replica, simulation->now_ms);
        settle(simulation, member);
    }
    if (replica_leading(member->replica) != 0 && chance(simulation, 200))
        submit(simulation, member);
    if (replica_leading(member->replica) != 0 && chance(simulation, 3))
        transfer(simulation, member);
    if (chance(simulation, 30))
        save_store(simulation, member);
    if (!simulation->quiet && chance(simulation, 3))
        member->slow = !member->slow;
    if (!simulation->quiet && chance(simulation, 3))
        crash(simulation, member);
}

static void run_for(struct simulation *simulation, uint64_t milliseconds)
{
    uint64_t until = simulation->now_ms + milliseconds;
    while (simulation->now_ms < until &&
           simulation->result->violation[0] == '\0') {
        simulation->now_ms++;
        deliver_due(simulation);
        for (unsigned i = 0; i < simulation->options.members; i++)
            step_member(simulation, &simulation->members[i]);
        for (unsigned i = 0; i < simulation->options.members; i++)
            check_lease(simulation, &simulation->members[i]);
    }
}

/* All that was acknowledged is on every disk, and new things go through. */
static void check_end(struct simulation *simulation, uint64_t acknowledged)
{
    if (simulation->result->acknowledged == acknowledged)
        violate(simulation, "nothing was acknowledged in quiet times");
    for (unsigned i = 0; i < simulation->options.members; i++) {
        const struct member *member = &simulation->members[i];
        for (uint64_t index = member->base_index + 1;
             index + 100 < simulation->committed_last; index++)
            if (simulation->acknowledged[index] &&
                (index > member->last_index ||
                 !same_record(&member->log[index],
                              &simulation->committed[index])))
                violate(simulation, "member %u lost entry %" PRIu64, i, index);
    }
}

static void close_all(struct simulation *simulation)
{
    for (unsigned i = 0; i < simulation->options.members; i++) {
        struct member *member = &simulation->members[i];
        while (member->writes != NULL)
            free_write(take_write(member));
        replica_free(member->replica);
        free(member->log);
        free(member->view);
    }
    while (simulation->messages != NULL) {
        struct message *message = simulation->messages;
        simulation->messages = message->next;
        free(message->records);
        free(message);
    }
    free(simulation->committed);
    free(simulation->acknowledged);
    free(simulation);
}

void simulation_run(const struct simulation_options *options,
                    struct simulation_result *ret)
{
    struct simulation *simulation = memory_new_zeroed(1, sizeof *simulation);
    *ret = (struct simulation_result){.violation = ""};
    simulation->options = *options;
    simulation->result = ret;
    simulation->random = options->seed * 0x9e3779b97f4a7c15u + 1;
    simulation->now_ms = 1000;
    simulation->committed =
        memory_new_zeroed(LOG_MAX, sizeof *simulation->committed);
    simulation->acknowledged =
        memory_new_zeroed(LOG_MAX, sizeof *simulation->acknowledged);
    for (unsigned i = 0; i < options->members; i++) {
        struct member *member = &simulation->members[i];
        member->id = i + 1;
        member->log = memory_new_zeroed(LOG_MAX, sizeof *member->log);
        member->view = memory_new_zeroed(LOG_MAX, sizeof *member->view);
        member->writes_end = &member->writes;
        member->term = 1;
        member->log[1] = first_record(options->members);
        member->last_index = 1;
        boot(simulation, member);
    }
    run_for(simulation, options->milliseconds);
    simulation->quiet = true;
    for (unsigned i = 0; i < options->members; i++)
        simulation->members[i].slow = false;
    uint64_t acknowledged = ret->acknowledged;
    run_for(simulation, QUIET_MS);
    if (ret->violation[0] == '\0')
        check_end(simulation, acknowledged);
    close_all(simulation);
}
