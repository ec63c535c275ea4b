#include "service_inside.h"

#include "base/clock.h"
#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

/* ---- Answers ---- */

void service_answer(struct service *service, struct backend_result *result)
{
    if (service->done == NULL)
        return;
    result->id_space = catalog_identity(service->parts.catalog)->id_space;
    service->done(service->done_context, result);
}

bool service_failed(struct service *service, uint64_t ticket, int code,
                    const struct command_result *result, const char *exists)
{
    struct backend_result answered = {.ticket = ticket, .code = code};
    if (code == 0)
        answered.code = result->code;
    if (answered.code == 0)
        return false;
    if (answered.code == ERR_EXISTS)
        answered.field = exists;
    service_answer(service, &answered);
    return true;
}

int service_change_check(struct service *service)
{
    int rc = proposer_check(service->parts.proposer, 0);
    if (rc == ERR_NOT_LEADER)
        return ERR_UNAVAILABLE;
    return rc == ERR_NO_SPACE ? 0 : rc;
}

/* ---- Other nodes ---- */

struct transfer {
    struct service *service;
    uint64_t ticket;
    uint32_t to;
};

static void on_handed_over(void *context, int code, bool drained)
{
    struct transfer *transfer = context;
    struct backend_result result = {.ticket = transfer->ticket, .code = code};
    (void)drained; /* What was not is marked when it is sent again. */
    if (code == ERR_NOT_FOUND || code == ERR_UNAVAILABLE) {
        result.code = ERR_NOT_FOUND; /* No such other voter is there. */
        result.field = "to";
    }
    service_answer(transfer->service, &result);
    free(transfer);
}

/* Another voter, of this id unless that is 0. */
static bool heir_is_there(const struct service *service, uint32_t to)
{
    struct cluster_member members[PEERS_MAX];
    unsigned count =
        cluster_members(service->parts.cluster, members, PEERS_MAX);
    for (unsigned i = 0; i < count; i++)
        if (members[i].voter &&
            members[i].node_id != service->parts.settings->node_id &&
            (to == 0 || members[i].node_id == to))
            return true;
    return false;
}

static void refuse_transfer(struct transfer *transfer, int code)
{
    bool unknown = code == ERR_NOT_FOUND;
    service_refuse(
        transfer->service, transfer->ticket, code, unknown ? "to" : NULL,
        code == ERR_BUSY ? "leadership is being given away already" : NULL);
    free(transfer);
}

static void on_noted(void *context, uint64_t ticket, int code, uint64_t index,
                     const struct command_result *result)
{
    struct transfer *transfer = context;
    (void)ticket;
    (void)index;
    (void)result;
    if (code == 0)
        code = handover_start(transfer->service->parts.handover, transfer->to,
                              true, on_handed_over, transfer);
    if (code != 0)
        refuse_transfer(transfer, code);
}

/* Written down before it begins: once it has, this node's log takes no more. */
static void hand_over(void *context, uint64_t ticket, uint32_t to)
{
    struct service *service = context;
    struct transfer *transfer = memory_new(sizeof *transfer);
    *transfer =
        (struct transfer){.service = service, .ticket = ticket, .to = to};
    int rc = service_change_check(service);
    if (rc == 0 && !heir_is_there(service, to))
        rc = ERR_NOT_FOUND;
    if (rc != 0) {
        refuse_transfer(transfer, rc);
        return;
    }
    struct command_transfer command = {.from = service->parts.settings->node_id,
                                       .to = to};
    command_transfer_encode(proposer_begin(service->parts.proposer),
                            clock_wall_ms(), &command);
    proposer_sign(service->parts.proposer, service->author);
    proposer_end(service->parts.proposer, on_noted, transfer, ticket);
}

static bool must_forward(void *context)
{
    struct service *service = context;
    return gateway_leader_is_elsewhere(service->parts.gateway);
}

static void forward(void *context, uint64_t ticket, struct slice request)
{
    struct service *service = context;
    gateway_forward(service->parts.gateway, ticket, request);
}

static uint64_t id_space(void *context)
{
    struct service *service = context;
    return catalog_identity(service->parts.catalog)->id_space;
}

/* ---- Life ---- */

struct service *service_new(const struct service_parts *parts)
{
    struct service *service = memory_new_zeroed(1, sizeof *service);
    service->parts = *parts;
    return service;
}

void service_free(struct service *service)
{
    if (service == NULL)
        return;
    service_edits_free(service);
    service_batches_free(service);
    service_token_waits_free(service);
    free(service);
}

void service_attach(struct service *service, backend_done done, void *context)
{
    service->done = done;
    service->done_context = context;
}

struct backend service_backend(struct service *service)
{
    return (struct backend){
        .context = service,
        .publish = service_publish,
        .publish_each = service_publish_each,
        .topic_create = service_topic_create,
        .topic_list = service_topic_list,
        .topic_get = service_topic_get,
        .topic_change = service_topic_change,
        .topic_delete = service_topic_delete,
        .publisher_faults = service_publisher_faults,
        .publisher_create = service_publisher_create,
        .publisher_list = service_publisher_list,
        .publisher_get = service_publisher_get,
        .publisher_change = service_publisher_change,
        .publisher_delete = service_publisher_delete,
        .publisher_pause = service_publisher_pause,
        .publisher_rotate = service_publisher_rotate,
        .publisher_test = service_publisher_test,
        .message_get = service_message_get,
        .message_list = service_message_list,
        .message_explain = service_message_explain,
        .message_retry = service_message_retry,
        .message_discard = service_message_discard,
        .replay_start = service_replay_start,
        .replay_get = service_replay_get,
        .replay_cancel = service_replay_cancel,
        .transfer = hand_over,
        .must_forward = must_forward,
        .forward = forward,
        .token_create = service_token_create,
        .token_revoke = service_token_revoke,
        .token_list = service_token_list,
        .audit_list = service_audit_list,
        .asked_by = service_asked_by,
        .authenticate = service_authenticate,
        .recognize = service_recognize,
        .topic_of = service_topic_of,
        .id_space = id_space,
        .status = service_status,
        .stats = service_stats,
        .metrics = service_metrics,
    };
}
