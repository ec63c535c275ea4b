/* resources.h - who answers what: the handlers of the route table.
 * One file per resource. Thread: the loop. */
#ifndef POSTOFFICE_HTTP_RESOURCES_H
#define POSTOFFICE_HTTP_RESOURCES_H

#include "http/request.h"

/* All routes of the API, ended by a NULL method. Those that this version
 * does not have yet are listed without handler and answer 501. */
extern const struct route http_routes[];

/* topic_resource.c */
void topic_create(struct request *request);
void topic_list(struct request *request);
void topic_get(struct request *request);
void topic_change(struct request *request);
void topic_delete(struct request *request);
/* publisher_resource.c */
void publisher_create(struct request *request);
void publisher_list(struct request *request);
void publisher_get(struct request *request);
void publisher_change(struct request *request);
void publisher_delete(struct request *request);
void publisher_pause(struct request *request);
void publisher_resume(struct request *request);
void publisher_rotate(struct request *request);
void publisher_test(struct request *request);
/* publish_resource.c */
void message_publish(struct request *request);
void message_publish_bulk(struct request *request);
void message_schedule(struct request *request);
/* batch_resource.c */
void message_publish_batch(struct request *request);
/* message_resource.c */
void message_get(struct request *request);
void message_list(struct request *request);
void message_retry(struct request *request);
void message_discard(struct request *request);
/* explain_resource.c */
void message_explain(struct request *request);
/* replay_resource.c */
void replay_start(struct request *request);
void replay_get(struct request *request);
void replay_cancel(struct request *request);
/* token_resource.c */
void token_create(struct request *request);
void token_list(struct request *request);
void token_revoke(struct request *request);
/* audit_resource.c */
void audit_list(struct request *request);
/* cluster_resource.c */
void cluster_get(struct request *request);
void cluster_hand_over(struct request *request);
/* health_resource.c */
void health_get(struct request *request);
void health_live(struct request *request);
void health_ready(struct request *request);
void health_write(struct request *request);
/* events.c */
void events_get(struct request *request);
/* stats_resource.c */
void stats_get(struct request *request);
/* metrics.c */
void metrics_get(struct request *request);
/* openapi_resource.c */
void openapi_get(struct request *request);
struct slice openapi_document(void);
/* page_resource.c */
void page_get(struct request *request);
void page_style(struct request *request);

/* ---- Shapes that resources share ---- */

void topic_write(struct json_writer *json, const struct topic *topic);
/* The members of a replay, save for what holds it up. */
void replay_write(struct json_writer *json, const struct replay *replay);
/* Without what could be presented. */
void token_write(struct json_writer *json, const struct token *token);

/* publisher_write.c: the members of a publisher. `clear`: with its secret. */
void publisher_write(struct json_writer *json,
                     const struct backend_result *result, uint32_t index,
                     bool clear);
/* Of them: whether it delivers, and if not, why, since when and how long. */
void publisher_write_state(struct json_writer *json,
                           const struct backend_result *result, uint32_t index);
const char *publisher_state(const struct publisher_view *view,
                            const struct publisher_activity *activity,
                            uint64_t now_ms);
/* publish_resource.c: the members `id` and `public_id`. */
void publish_write_ids(struct json_writer *json, uint64_t id_space,
                       uint64_t id);
/* The request's traceparent, for all that it publishes; empty: none. */
struct slice publish_trace(struct request *request);
/* explanation_write.c: explanations[index], one object. */
void explanation_write(struct json_writer *json,
                       const struct backend_result *result, uint32_t index);
/* message_write.c: messages[index], one object. */
enum message_depth {
    MESSAGE_WHOLE,  /* The only one, with what explains its deliveries. */
    MESSAGE_LISTED, /* A preview; deliveries without history and explanation. */
};
void message_write(struct json_writer *json,
                   const struct backend_result *result, uint32_t index,
                   enum message_depth depth);
void attempt_write(struct json_writer *json, const struct attempt *attempt);
/* The shape `last_error` of publishers and deliveries. */
/* Why it failed, in one clause: class, status and what is kept of the answer,
 * cut where it is long. Nothing for an attempt that was never made. */
void attempt_say(struct encoder *out, const struct attempt *attempt);
void attempt_write_error(struct json_writer *json,
                         const struct attempt *attempt, uint64_t at_ms);
/* The member `last_error`. */
void delivery_write_last_error(struct json_writer *json,
                               const struct delivery *delivery);

/* The path's parameter as a message's id: by number, or by public id when it
 * is of this cluster. False: the request has been answered. */
bool message_id_parameter(struct request *request, uint64_t *ret_id);

#endif
