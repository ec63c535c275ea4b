/* Requests of the floor above to other members, and their answers.
 *
 *     asker                                    the other member
 *       cluster_request() --lane for calls-->  requested()
 *       answered()        <-lane for calls---  cluster_answer()
 *
 * Whoever asks hears exactly once: the answer, or that the connection broke or
 * the time is over, and then nobody knows whether the request was served. */
#include "raft/cluster_inside.h"

#include "base/clock.h"

enum {
    /* A member that stands still keeps its connections, for the kernel goes on
     * acknowledging: it is known by its silence. Two looks in a row, since
     * after one this node itself may have stood still and not yet read what
     * has come. */
    LOOK_MS = 500,
    SILENT_LOOKS = 2,
    SILENT_MS = 3000,
};

static void tell(const struct call *call, int rc)
{
    call->answered(call->context, rc, NULL);
}

int cluster_request(struct cluster *cluster, uint32_t node_id,
                    struct buffer *body, uint32_t timeout_ms,
                    cluster_answered answered, void *context)
{
    const struct call call = {
        .node_id = node_id,
        .due_ms = clock_ms() + timeout_ms,
        .answered = answered,
        .context = context,
    };
    struct call gone;
    if (cluster_is_idle(cluster) || cluster->transport == NULL)
        return ERR_UNAVAILABLE;
    uint64_t id = calls_add(&cluster->calls, &call);
    if (id == 0)
        return ERR_BUSY;
    const struct frame frame = {
        .type = FRAME_REQUEST,
        .call = {.id = id, .kind = CALL_ASK},
        .payload = buffer_slice(body),
        .buffer = body,
    };
    int rc = transport_send(cluster->transport, node_id, &frame);
    if (rc == 0) {
        /* The timer may have to fire sooner. */
        cluster_wake(cluster);
        return 0;
    }
    (void)calls_take(&cluster->calls, id, &gone);
    return rc == ERR_NOT_FOUND ? ERR_UNAVAILABLE : rc;
}

int cluster_answer(struct cluster *cluster, const struct cluster_asker *asker,
                   struct buffer *body)
{
    const struct frame frame = {
        .type = FRAME_ANSWER,
        .call = {.id = asker->id, .kind = CALL_ASK},
        .payload = buffer_slice(body),
        .buffer = body,
    };
    const struct member *member =
        members_find(cluster, handshake_node(asker->raft_id));
    if (cluster_is_idle(cluster) || member == NULL ||
        member->proved_id != asker->raft_id)
        return ERR_UNAVAILABLE;
    return transport_send(cluster->transport, member->node_id, &frame);
}

void calls_hear_request(struct cluster *cluster, uint64_t from,
                        const struct frame *frame)
{
    const struct cluster_asked asked = {
        .asker = {.raft_id = from, .id = frame->call.id},
        .body = frame->payload,
        .buffer = frame->buffer,
    };
    if (cluster->callbacks.requested != NULL && !cluster_is_idle(cluster))
        cluster->callbacks.requested(cluster->callbacks.context, &asked);
}

void calls_hear_answer(struct cluster *cluster, uint64_t from,
                       const struct frame *frame)
{
    struct call call;
    const struct cluster_answer answer = {
        .body = frame->payload,
        .buffer = frame->buffer,
    };
    if (!calls_take(&cluster->calls, frame->call.id, &call))
        return; /* It came too late. */
    if (call.node_id == handshake_node(from))
        call.answered(call.context, 0, &answer);
    else
        tell(&call, ERR_UNKNOWN_OUTCOME);
}

void calls_broken(struct cluster *cluster, uint32_t node_id)
{
    struct call call;
    while (calls_take_node(&cluster->calls, node_id, &call))
        tell(&call, ERR_UNKNOWN_OUTCOME);
}

static bool is_silent(const struct cluster *cluster,
                      const struct member *member, uint64_t now_ms)
{
    uint64_t limit = 2 * (uint64_t)cluster->options.election_timeout_ms;
    return now_ms - member->contact_ms >=
           (limit > SILENT_MS ? limit : SILENT_MS);
}

static void look_for_silence(struct cluster *cluster, uint64_t now_ms)
{
    if (now_ms - cluster->looked_ms < LOOK_MS)
        return;
    cluster->looked_ms = now_ms;
    for (unsigned i = 0; i < cluster->members_count; i++) {
        struct member *member = cluster->members[i];
        if (!is_silent(cluster, member, now_ms))
            member->silent_looks = 0;
        else if (++member->silent_looks >= SILENT_LOOKS)
            calls_broken(cluster, member->node_id);
    }
}

uint64_t calls_deadline_ms(const struct cluster *cluster)
{
    uint64_t look = cluster->looked_ms + LOOK_MS;
    if (cluster->calls.count == 0)
        return UINT64_MAX;
    return look < cluster->calls.due_ms ? look : cluster->calls.due_ms;
}

void calls_expire(struct cluster *cluster, uint64_t now_ms)
{
    struct call call;
    look_for_silence(cluster, now_ms);
    while (calls_take_due(&cluster->calls, now_ms, &call))
        tell(&call, ERR_UNKNOWN_OUTCOME);
}

void calls_end(struct cluster *cluster)
{
    struct call call;
    while (calls_take_any(&cluster->calls, &call))
        tell(&call, ERR_UNKNOWN_OUTCOME);
}
