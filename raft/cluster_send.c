/* What goes to another member.
 *
 *     SEND effect --> AppendEntries with entries --> waits in member->sends
 *        |                 entries from the tail, or read back --> split by
 *        |                 bytes --> lane for entries
 *        `--> all else: lane for small ones, at once
 *
 * The core numbers what it sends as if nothing were ever lost, and finds out by
 * a heartbeat that the follower refuses. A heartbeat may overtake entries on
 * their way, which must not look like a loss: it is put back to what is known
 * to match, unless something was lost or the follower does not come forward. */
#include "raft/cluster_inside.h"

#include "base/clock.h"
#include "base/logger.h"

#include <assert.h>

/* --- Entries ------------------------------------------------------------ */

static void forget_sends(struct member *member)
{
    member->sends_count = 0;
    member->wanted_index = 0;
}

void member_lost(struct member *member)
{
    member->lost = true;
    forget_sends(member);
    log_read_free(member->fetched);
    member->fetched = NULL;
}

static const struct entry *find_entry(const struct cluster *cluster,
                                      const struct member *member,
                                      uint64_t index)
{
    const struct entry *entry = replica_entry(cluster->replica, index);
    const struct log_read *read = member->fetched;
    if (entry == NULL && read != NULL && index >= read->first_index &&
        index < read->first_index + read->count)
        entry = &read->entries[index - read->first_index];
    return entry;
}

/* Borrowed entries behind prev_log_index, up to the first that has to be read.
 * How many. */
static unsigned gather(const struct cluster *cluster, struct member *member,
                       const struct raft_append_entries *append,
                       struct entry *entries)
{
    for (unsigned i = 0; i < append->n_entries; i++) {
        uint64_t index = append->prev_log_index + 1 + i;
        const struct entry *entry = find_entry(cluster, member, index);
        if (entry == NULL) {
            member->wanted_index = index;
            return i;
        }
        entries[i] = *entry;
    }
    return append->n_entries;
}

/* The first `count` entries, which are no longer part of `send` then. */
static int send_pieces(struct cluster *cluster, struct member *member,
                       struct cluster_send *send, struct entry *entries,
                       unsigned count)
{
    struct frame frame = {.type = FRAME_APPEND_ENTRIES, .stamp = send->stamp};
    struct raft_append_entries *part = &frame.message.append_entries;
    frame.message.type = RAFT_APPEND_ENTRIES;
    *part = send->append;
    for (unsigned done = 0; done < count;) {
        part->n_entries = frame_fit(entries + done, count - done);
        frame.entries = entries + done;
        int rc = transport_send(cluster->transport, member->node_id, &frame);
        if (rc != 0)
            return rc;
        done += part->n_entries;
        part->prev_log_index += part->n_entries;
        part->prev_log_term = entries[done - 1].term;
    }
    send->append.prev_log_index = part->prev_log_index;
    send->append.prev_log_term = part->prev_log_term;
    send->append.n_entries -= count;
    return 0;
}

/* Whether the oldest send still says what this leader says. */
static bool is_current(const struct cluster *cluster,
                       const struct cluster_send *send)
{
    struct replica_status status = replica_status(cluster->replica);
    return status.state == RAFT_LEADER && status.term == send->append.term;
}

/* What is there goes, though the rest of the same AppendEntries may have to be
 * read: all of it may be more than is ever in memory. */
void member_flush(struct cluster *cluster, struct member *member)
{
    struct entry entries[REPLICA_WINDOW_ENTRIES];
    while (member->sends_count > 0) {
        struct cluster_send *send = &member->sends[member->sends_start];
        if (!is_current(cluster, send)) {
            forget_sends(member);
            return;
        }
        member->wanted_index = 0;
        unsigned count = gather(cluster, member, &send->append, entries);
        if (send_pieces(cluster, member, send, entries, count) != 0) {
            member_lost(member);
            return;
        }
        if (send->append.n_entries > 0)
            return;
        member->sends_start = (member->sends_start + 1) % CLUSTER_SENDS;
        member->sends_count--;
    }
}

/* What the core knows to match, and whether it has come forward of late. */
static void note_match(struct cluster *cluster, struct member *member,
                       uint64_t now_ms)
{
    for (unsigned i = 0; i < replica_members(cluster->replica); i++) {
        struct replica_member its = replica_member(cluster->replica, i);
        if (its.id != member->raft_id || its.match_index == member->match_index)
            continue;
        member->match_index = its.match_index;
        member->progress_ms = now_ms;
    }
}

static void send_entries(struct cluster *cluster, struct member *member,
                         const struct replica_effect *effect)
{
    const struct raft_append_entries *append =
        &effect->send.message.append_entries;
    uint64_t last = append->prev_log_index + append->n_entries;
    assert(append->n_entries <= REPLICA_WINDOW_ENTRIES);
    if (member->sent_index <= member->match_index)
        member->progress_ms = effect->send.stamp.time_ms;
    /* The core begins again from what matches. */
    if (append->prev_log_index <= member->match_index)
        member->lost = false;
    member->sent_index = last;
    member->too_far = false;
    if (member->sends_count == CLUSTER_SENDS) {
        member_lost(member);
        return;
    }
    unsigned at = (member->sends_start + member->sends_count) % CLUSTER_SENDS;
    member->sends[at] = (struct cluster_send){
        .append = *append,
        .stamp = effect->send.stamp,
    };
    member->sends_count++;
    member_flush(cluster, member);
}

/* --- Heartbeats --------------------------------------------------------- */

/* With a full window the core sends one for each entry that it cannot send. */
static bool is_superfluous(const struct cluster *cluster,
                           const struct member *member,
                           const struct raft_append_entries *append,
                           uint64_t now_ms)
{
    return append->prev_log_index > member->match_index && !member->lost &&
           now_ms - member->last_send_ms < cluster->options.heartbeat_ms / 2;
}

static void put_back(const struct cluster *cluster, const struct member *member,
                     struct raft_append_entries *append, uint64_t now_ms)
{
    uint64_t term = replica_term_of(cluster->replica, member->match_index);
    if (member->match_index == 0 || term == 0 || member->lost ||
        append->prev_log_index <= member->match_index ||
        now_ms - member->progress_ms >= cluster->options.election_timeout_ms)
        return;
    append->prev_log_index = member->match_index;
    append->prev_log_term = term;
}

/* Nothing can be installed yet: the member is kept quiet by a heartbeat that
 * every log agrees with, and a person has to see to it. */
static struct raft_append_entries calm(struct member *member,
                                       const struct raft_install_snapshot *from)
{
    if (!member->too_far)
        LOG_ERROR("raft",
                  "a member lacks entries that are no longer in the log: it "
                  "must be rebuilt",
                  FIELD_U64("node", member->node_id));
    member->too_far = true;
    return (struct raft_append_entries){
        .version = 0,
        .term = from->term,
    };
}

/* --- All messages ------------------------------------------------------- */

static void send_small(struct cluster *cluster, const struct member *member,
                       const struct replica_effect *effect)
{
    const struct frame frame = {
        .type = (enum frame_type)effect->send.message.type,
        .stamp = effect->send.stamp,
        .message = effect->send.message,
    };
    /* What is refused is lost; Raft sends it again. */
    (void)transport_send(cluster->transport, member->node_id, &frame);
}

static void send_append(struct cluster *cluster, struct member *member,
                        struct replica_effect *effect)
{
    struct raft_append_entries *append = &effect->send.message.append_entries;
    uint64_t now = effect->send.stamp.time_ms;
    note_match(cluster, member, now);
    if (append->n_entries > 0) {
        send_entries(cluster, member, effect);
    } else {
        if (is_superfluous(cluster, member, append, now))
            return;
        put_back(cluster, member, append, now);
        send_small(cluster, member, effect);
    }
    member->last_send_ms = now;
}

/* Another life of the node must not take for its own what was promised to the
 * one before. */
static bool is_reached(const struct member *member, uint64_t raft_id)
{
    return member != NULL && member->proved_id == raft_id;
}

void members_send(struct cluster *cluster, struct replica_effect *effect)
{
    struct raft_message *message = &effect->send.message;
    struct member *member =
        members_find(cluster, handshake_node(effect->send.to));
    if (cluster->transport != NULL && is_reached(member, effect->send.to)) {
        if (message->type == RAFT_INSTALL_SNAPSHOT) {
            struct raft_append_entries append =
                calm(member, &message->install_snapshot);
            message->type = RAFT_APPEND_ENTRIES;
            message->append_entries = append;
            effect->send.stamp.time_ms = clock_ms();
        }
        if (message->type == RAFT_APPEND_ENTRIES)
            send_append(cluster, member, effect);
        else
            send_small(cluster, member, effect);
    } else if (member != NULL && message->type == RAFT_APPEND_ENTRIES &&
               message->append_entries.n_entries > 0) {
        member_lost(member);
    }
    replica_effect_close(effect);
}

/* --- Reading back ------------------------------------------------------- */

void members_take_read(struct cluster *cluster, uint32_t node_id,
                       struct log_read *read)
{
    struct member *member = members_find(cluster, node_id);
    if (cluster_is_idle(cluster) || member == NULL) {
        log_read_free(read);
        return;
    }
    if (read->error.code != 0) {
        struct error error = read->error;
        log_read_free(read);
        cluster_fail(cluster, &error);
        return;
    }
    log_read_free(member->fetched);
    member->fetched = read;
    member_flush(cluster, member);
}

/* From there on, as far as there is: the next sends will want it. */
static bool read_for(struct cluster *cluster, struct member *member)
{
    const struct positions *positions = log_positions(cluster->log);
    uint64_t first = member->wanted_index;
    if (first == 0)
        return false;
    if (positions_find(positions, first) == NULL) {
        member_lost(member);
        return false;
    }
    cluster->reading = true;
    cluster->reader = member->node_id;
    member->wanted_index = 0;
    log_read(cluster->log, first, positions_last(positions),
             CLUSTER_READ_BYTES);
    return true;
}

/* What was read ahead and will not be sent: it is in memory again, or passed.
 */
static void drop_read(const struct cluster *cluster, struct member *member)
{
    const struct log_read *read = member->fetched;
    uint64_t next = member->sent_index + 1;
    if (read == NULL || member->sends_count > 0 ||
        (next < read->first_index + read->count && next >= read->first_index &&
         replica_entry(cluster->replica, next) == NULL))
        return;
    log_read_free(member->fetched);
    member->fetched = NULL;
}

void members_read(struct cluster *cluster)
{
    for (unsigned i = 0; i < cluster->members_count; i++)
        drop_read(cluster, cluster->members[i]);
    for (unsigned i = 0; i < cluster->members_count && !cluster->reading; i++) {
        unsigned at = (cluster->next_reader + i) % cluster->members_count;
        if (read_for(cluster, cluster->members[at]))
            cluster->next_reader = at + 1;
    }
}
