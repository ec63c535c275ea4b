#include "http/resources.h"

#include <inttypes.h>
#include <stdio.h>

static void write_hash(struct json_writer *json, struct state_hash hash)
{
    char text[40];
    snprintf(text, sizeof text, "%016" PRIx64 "%016" PRIx64, hash.high,
             hash.low);
    json_member_string(json, "state_hash", text);
}

static void write_state(struct json_writer *json,
                        const struct backend_member *member)
{
    json_member_string(json, "state", member->state);
    json_member_string(json, "state_reason", member->state_reason);
}

static void write_member(struct json_writer *json,
                         const struct backend_member *member)
{
    json_write_begin(json, '{');
    json_member_u64(json, "id", member->id);
    json_member_string(json, "role", member->voter ? "voter" : "learner");
    json_member_string(json, "raft", member->raft_address);
    if (member->url == NULL) {
        json_member_null(json, "url");
        write_state(json, member);
        json_member_null(json, "applied_index");
        json_member_null(json, "lag");
        json_member_null(json, "state_hash");
        json_member_null(json, "version");
    } else {
        json_member_string(json, "url", member->url);
        write_state(json, member);
        json_member_u64(json, "applied_index", member->applied_index);
        json_member_u64(json, "lag", member->lag);
        write_hash(json, member->state_hash);
        json_member_string(json, "version", member->version);
    }
    json_member_null(json, "progress");
    json_write_end(json, '}');
}

void cluster_get(struct request *request)
{
    const struct backend *backend = request_backend(request);
    struct backend_status status = {0};
    backend->status(backend->context, &status);
    struct json_writer json = request_data_begin(request);
    json_write_begin(&json, '{');
    json_member_text_or_null(&json, "cluster_id",
                             slice_text(status.cluster_id));
    json_member_u64(&json, "node", status.node_id);
    json_member_u64(&json, "term", status.term);
    json_member_u64_or_null(&json, "leader", status.leader_id);
    json_member_u64(&json, "commit_index", status.commit_index);
    json_write_name(&json, "members");
    json_write_begin(&json, '[');
    for (uint32_t i = 0; i < status.member_count; i++)
        write_member(&json, &status.members[i]);
    json_write_end(&json, ']');
    json_write_end(&json, '}');
    request_data_send(request, &json, 200);
}

/* Answered with the cluster as it is then. */
static void on_transferred(struct request *request,
                           const struct backend_result *result)
{
    (void)result;
    cluster_get(request);
}

void cluster_hand_over(struct request *request)
{
    const struct backend *backend = request_backend(request);
    struct problem problem = {0};
    uint32_t to;
    request_body_transfer(request->body, &request->arena, &problem, &to);
    if (!request_failed(request, &problem))
        backend->transfer(backend->context,
                          request_wait(request, on_transferred), to);
}
