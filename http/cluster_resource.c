#include "http/resources.h"

#include <inttypes.h>
#include <stdio.h>

/* As far as this node sees it: itself. */
static void write_member(struct json_writer *json,
                         const struct backend_status *status)
{
    char hash[40];
    snprintf(hash, sizeof hash, "%016" PRIx64 "%016" PRIx64,
             status->state_hash.high, status->state_hash.low);
    uint64_t lag = status->commit_index > status->applied_index
                       ? status->commit_index - status->applied_index
                       : 0;
    json_write_begin(json, '{');
    json_member_u64(json, "id", status->node_id);
    json_member_string(json, "role", "voter");
    json_member_string(json, "raft", status->raft_address);
    json_member_string(json, "url", status->url);
    json_member_string(json, "state", status->leader ? "leader" : "follower");
    json_member_u64(json, "applied_index", status->applied_index);
    json_member_u64(json, "lag", lag);
    json_member_string(json, "state_hash", hash);
    json_member_string(json, "version", status->version);
    json_member_null(json, "progress");
    json_write_end(json, '}');
}

void cluster_get(struct request *request)
{
    const struct backend *backend = request_backend(request);
    struct backend_status status = {0};
    backend->status(backend->context, &status);
    struct json_writer json = json_writer_of(&request->answer);
    json_write_begin(&json, '{');
    json_write_name(&json, "data");
    json_write_begin(&json, '{');
    json_member_text_or_null(&json, "cluster_id",
                             slice_text(status.cluster_id));
    json_member_u64(&json, "node", status.node_id);
    json_member_u64(&json, "term", status.term);
    json_member_u64_or_null(&json, "leader", status.leader_id);
    json_member_u64(&json, "commit_index", status.commit_index);
    json_write_name(&json, "members");
    json_write_begin(&json, '[');
    write_member(&json, &status);
    json_write_end(&json, ']');
    json_write_end(&json, '}');
    json_write_end(&json, '}');
    request_send_json(request, 200);
}
