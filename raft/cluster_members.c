/* The other members: who they are, what comes from them, and what they are
 * told besides Raft's messages. */
#include "raft/cluster_inside.h"

#include "base/clock.h"
#include "base/codec.h"
#include "base/logger.h"
#include "base/memory.h"

#include <assert.h>
#include <stdlib.h>

enum {
    /* Besides what is told at once when a connection opens. */
    STATEMENT_EVERY_MS = 200,
    KEEP_EVERY_MS = 1000,
};

/* --- The table ---------------------------------------------------------- */

struct member *members_find(const struct cluster *cluster, uint32_t node_id)
{
    for (unsigned i = 0; i < cluster->members_count; i++)
        if (cluster->members[i]->node_id == node_id)
            return cluster->members[i];
    return NULL;
}

static void free_member(struct member *member)
{
    log_read_free(member->fetched);
    free(member);
}

/* An address that cannot be dialed is logged, not refused: it is in the log,
 * and the others may reach this node all the same. */
static void add_member(struct cluster *cluster, uint32_t node_id,
                       uint64_t raft_id, const char *address)
{
    struct error error = {0};
    struct member *member = members_find(cluster, node_id);
    if (node_id == cluster->options.node_id)
        return;
    if (member == NULL && cluster->members_count == BOUND_PEERS)
        return;
    if (member == NULL) {
        member = memory_new_zeroed(1, sizeof *member);
        member->node_id = node_id;
        cluster->members[cluster->members_count++] = member;
    }
    member->raft_id = raft_id;
    if (transport_set_peer(cluster->transport, node_id, address, &error) != 0)
        LOG_ERROR("raft", "a member has no usable address",
                  FIELD_U64("node", node_id), FIELD_TEXT("address", address),
                  FIELD_TEXT("reason", error.text));
}

static bool is_configured(const struct cluster *cluster, uint32_t node_id)
{
    for (unsigned i = 0; i < replica_members(cluster->replica); i++)
        if (handshake_node(replica_member(cluster->replica, i).id) == node_id)
            return true;
    return false;
}

void members_follow(struct cluster *cluster)
{
    uint64_t index = replica_configuration(cluster->replica);
    if (cluster->transport == NULL || index == cluster->members_configuration)
        return;
    cluster->members_configuration = index;
    for (unsigned i = 0; i < replica_members(cluster->replica); i++) {
        struct replica_member member = replica_member(cluster->replica, i);
        add_member(cluster, handshake_node(member.id), member.id,
                   member.address);
    }
    for (unsigned i = cluster->members_count; i-- > 0;) {
        struct member *member = cluster->members[i];
        if (is_configured(cluster, member->node_id))
            continue;
        transport_remove_peer(cluster->transport, member->node_id);
        calls_broken(cluster, member->node_id);
        cluster->members[i] = cluster->members[--cluster->members_count];
        free_member(member);
    }
}

/* --- Status ------------------------------------------------------------- */

static void describe(const struct cluster *cluster, uint64_t now_ms,
                     struct cluster_member *ret)
{
    const struct member *member = members_find(cluster, ret->node_id);
    struct replica_status status = replica_status(cluster->replica);
    bool itself = ret->node_id == cluster->options.node_id;
    ret->state = CLUSTER_MEMBER_FOLLOWER;
    ret->contact_ago_ms = UINT64_MAX;
    if (itself)
        ret->contact_ago_ms = 0;
    else if (member != NULL && member->contact_ms != 0)
        ret->contact_ago_ms = now_ms - member->contact_ms;
    /* The transport pings where nothing else flows. */
    if (!itself &&
        (cluster->transport == NULL ||
         !transport_connected(cluster->transport, ret->node_id, LANE_SMALL)))
        ret->state = CLUSTER_MEMBER_UNREACHABLE;
    else if (handshake_node(status.leader_id) == ret->node_id)
        ret->state = CLUSTER_MEMBER_LEADER;
    else if (member != NULL && member->too_far)
        ret->state = CLUSTER_MEMBER_TOO_FAR;
    if (itself || status.state == RAFT_LEADER)
        ret->lag = status.last_index - ret->match_index;
}

unsigned cluster_members(const struct cluster *cluster,
                         struct cluster_member *ret, unsigned capacity)
{
    uint64_t now = clock_ms();
    if (cluster_is_idle(cluster))
        return 0;
    unsigned count = replica_members(cluster->replica);
    count = count < capacity ? count : capacity;
    for (unsigned i = 0; i < count; i++) {
        struct replica_member member = replica_member(cluster->replica, i);
        ret[i] = (struct cluster_member){
            .node_id = handshake_node(member.id),
            .address = member.address,
            .voter = member.voter,
            .match_index = member.match_index,
        };
        describe(cluster, now, &ret[i]);
    }
    return count;
}

/* --- Calls that members make by themselves ------------------------------ */

static void tell(struct cluster *cluster, uint32_t node_id,
                 enum cluster_call kind, const uint8_t *bytes, size_t length)
{
    struct buffer *body = buffer_new(length);
    if (body == NULL)
        abort(); /* A few bytes. */
    memcpy(body->data, bytes, length);
    body->length = length;
    const struct frame frame = {
        .type = FRAME_REQUEST,
        .call = {.kind = kind},
        .payload = buffer_slice(body),
        .buffer = body,
    };
    /* Told again before long. */
    (void)transport_send(cluster->transport, node_id, &frame);
    buffer_unref(body);
}

static void tell_statement(struct cluster *cluster, uint32_t node_id)
{
    uint8_t statement[FOUNDING_STATEMENT];
    founding_state(&cluster->founding, statement);
    tell(cluster, node_id, CALL_STATEMENT, statement, sizeof statement);
}

static void tell_keep(struct cluster *cluster, uint64_t now_ms)
{
    uint8_t bytes[8];
    if (cluster->leading_term == 0 ||
        now_ms - cluster->told_keep_ms < KEEP_EVERY_MS)
        return;
    cluster->told_keep_ms = now_ms;
    cluster->keep_index = replica_keep_index(cluster->replica);
    put_u64(bytes, cluster->keep_index);
    for (unsigned i = 0; i < cluster->members_count; i++)
        tell(cluster, cluster->members[i]->node_id, CALL_KEEP, bytes,
             sizeof bytes);
}

void members_tell(struct cluster *cluster, uint64_t now_ms)
{
    if (cluster->transport == NULL)
        return;
    if (cluster->replica != NULL) {
        tell_keep(cluster, now_ms);
        return;
    }
    for (unsigned i = 0; i < cluster->members_count; i++)
        tell_statement(cluster, cluster->members[i]->node_id);
    uv_timer_start(&cluster->timer, cluster_on_timer, STATEMENT_EVERY_MS, 0);
}

static void hear_statement(struct cluster *cluster, uint32_t from,
                           struct slice statement)
{
    struct error error = {0};
    uint64_t log_id = 0;
    if (founding_waits(statement) && cluster->founding.log_id != 0)
        tell_statement(cluster, from);
    int rc =
        founding_hear(&cluster->founding, from, statement, &log_id, &error);
    if (rc == 0 && log_id != 0 && cluster->replica == NULL)
        cluster_found(cluster, log_id);
    if (rc == 0 || cluster->refused_founding)
        return;
    cluster->refused_founding = true;
    LOG_ERROR("raft", "the cluster cannot be founded",
              FIELD_TEXT("reason", error.text), FIELD_U64("node", from));
}

static void hear_keep(struct cluster *cluster, uint64_t from,
                      struct slice bytes)
{
    if (bytes.length != 8 || cluster->replica == NULL ||
        replica_status(cluster->replica).leader_id != from)
        return;
    cluster->keep_index = get_u64(bytes.data);
}

static void hear_request(struct cluster *cluster, uint64_t from,
                         const struct frame *frame)
{
    switch (frame->call.kind) {
    case CALL_STATEMENT:
        hear_statement(cluster, handshake_node(from), frame->payload);
        break;
    case CALL_KEEP:
        hear_keep(cluster, from, frame->payload);
        break;
    case CALL_ASK:
        calls_hear_request(cluster, from, frame);
        break;
    default:
        break; /* Of a newer version. */
    }
}

/* --- What comes --------------------------------------------------------- */

/* A node that has another life by the configuration, or none yet, has no say
 * in this log. */
static bool has_say(const struct member *member, uint64_t from)
{
    return from >> 16 != 0 && (member == NULL || member->raft_id == from);
}

static void hear_raft(struct cluster *cluster, uint64_t from,
                      const struct frame *frame)
{
    unsigned count = frame->type == FRAME_APPEND_ENTRIES
                         ? frame->message.append_entries.n_entries
                         : 0;
    for (unsigned i = 0; i < count; i++)
        entry_ref(&frame->entries[i]);
    replica_receive(cluster->replica, clock_ms(), from, &frame->message,
                    &frame->stamp, frame->entries);
    cluster_pump(cluster);
}

static void on_received(void *context, uint64_t from, const struct frame *frame)
{
    struct cluster *cluster = context;
    struct member *member = members_find(cluster, handshake_node(from));
    if (cluster->closing || cluster->failed)
        return;
    if (member != NULL) {
        member->proved_id = from;
        member->contact_ms = clock_ms();
    }
    if (frame->type == FRAME_REQUEST)
        hear_request(cluster, from, frame);
    else if (frame->type == FRAME_ANSWER)
        calls_hear_answer(cluster, from, frame);
    else if (frame->type != FRAME_PING && cluster->replica != NULL &&
             has_say(member, from))
        hear_raft(cluster, from, frame);
}

static void on_connected(void *context, uint64_t peer, uint64_t raft_id,
                         enum frame_lane lane)
{
    struct cluster *cluster = context;
    struct member *member = members_find(cluster, handshake_node(peer));
    if (member == NULL)
        return;
    member->proved_id = raft_id;
    member->contact_ms = clock_ms();
    if (lane == LANE_CALLS && cluster->founding.log_id == 0)
        tell_statement(cluster, member->node_id);
}

static void on_disconnected(void *context, uint64_t peer, enum frame_lane lane)
{
    struct cluster *cluster = context;
    struct member *member = members_find(cluster, handshake_node(peer));
    if (member != NULL && lane == LANE_ENTRIES)
        member_lost(member);
    if (lane == LANE_CALLS)
        calls_broken(cluster, handshake_node(peer));
}

/* --- Beginning and end -------------------------------------------------- */

static void make_cluster_id(uint64_t log_id,
                            uint8_t cluster_id[HANDSHAKE_CLUSTER_ID])
{
    put_u64(cluster_id, log_id);
    put_u64(cluster_id + 8, entry_checksum(slice_of(cluster_id, 8)));
}

static void note_founded(struct cluster *cluster)
{
    const struct vote *vote = &cluster->home.vote;
    founding_done(&cluster->founding, vote->node_id, vote->nonce, vote->log_id);
}

static void wait_for_members(struct cluster *cluster)
{
    const struct cluster_options *options = &cluster->options;
    founding_init(&cluster->founding, options->node_id,
                  cluster->home.vote.nonce, options->members,
                  options->members_count);
    for (size_t i = 0; i < options->members_count; i++)
        add_member(cluster, options->members[i].node_id, 0,
                   options->members[i].address);
    LOG_INFO("raft",
             "waiting for all first members before the cluster is founded",
             FIELD_U64("node", options->node_id),
             FIELD_U64("members", options->members_count));
}

int members_open(struct cluster *cluster, struct error *error)
{
    struct transport_options options = {
        .listen = cluster->options.listen,
        .secret = cluster->options.secret,
        .raft_id = cluster->options.node_id,
    };
    const struct transport_callbacks callbacks = {
        .context = cluster,
        .received = on_received,
        .connected = on_connected,
        .disconnected = on_disconnected,
    };
    if (cluster->replica != NULL) {
        options.raft_id = vote_raft_id(&cluster->home.vote);
        make_cluster_id(cluster->home.vote.log_id, options.cluster_id);
    }
    int rc = transport_open(cluster->loop, &options, &callbacks,
                            &cluster->transport, error);
    if (rc != 0)
        return rc;
    if (cluster->replica != NULL) {
        note_founded(cluster);
        members_follow(cluster);
    } else {
        wait_for_members(cluster);
    }
    return 0;
}

void members_founded(struct cluster *cluster)
{
    uint8_t cluster_id[HANDSHAKE_CLUSTER_ID];
    make_cluster_id(cluster->home.vote.log_id, cluster_id);
    note_founded(cluster);
    transport_identify(cluster->transport, cluster_id,
                       vote_raft_id(&cluster->home.vote));
    members_follow(cluster);
}

void members_close(struct cluster *cluster)
{
    for (unsigned i = 0; i < cluster->members_count; i++)
        free_member(cluster->members[i]);
    cluster->members_count = 0;
}

uint16_t cluster_port(const struct cluster *cluster)
{
    return cluster->transport == NULL || cluster->closing
               ? 0
               : transport_port(cluster->transport);
}
