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
/* publisher_resource.c */
void publisher_create(struct request *request);
void publisher_list(struct request *request);
void publisher_get(struct request *request);
void publisher_delete(struct request *request);
void publisher_pause(struct request *request);
void publisher_resume(struct request *request);
/* message_resource.c */
void message_publish(struct request *request);
void message_publish_bulk(struct request *request);
void message_get(struct request *request);
/* The shape `last_error` of publishers and deliveries. */
void attempt_write_error(struct json_writer *json,
                         const struct attempt *attempt, uint64_t at_ms);
/* cluster_resource.c */
void cluster_get(struct request *request);
void cluster_hand_over(struct request *request);
/* health_resource.c */
void health_get(struct request *request);
void health_live(struct request *request);
void health_ready(struct request *request);
void health_write(struct request *request);
/* metrics.c */
void metrics_get(struct request *request);
/* page_resource.c */
void page_get(struct request *request);
void page_style(struct request *request);

#endif
