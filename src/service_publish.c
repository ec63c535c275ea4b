/* Publishing: one request, all or nothing, or many, each for itself.
 *
 * Each request becomes one command. Those of a batch wait together, and the
 * last outcome that comes back answers for all of them. */
#include "service_inside.h"

#include "base/clock.h"
#include "base/memory.h"
#include "storage/idempotency.h"

#include <stdlib.h>

/* Requests that are answered together. */
struct service_batch {
    struct service *service;
    struct service_batch *next;
    struct service_batch **link; /* What points here. */
    uint64_t ticket;
    uint32_t count;
    uint32_t open; /* Whose outcome has not come. */
    struct backend_outcome outcomes[];
};

/* ---- One command ---- */

static struct message message_of(const struct backend_publish *publish,
                                 uint32_t index)
{
    struct message message = publish->messages[index];
    message.traceparent = publish->traceparent;
    return message;
}

static size_t encoded_size(const struct backend_publish *publish)
{
    size_t size = COMMAND_ENVELOPE_SIZE + 4;
    for (uint32_t i = 0; i < publish->count; i++) {
        struct message message = message_of(publish, i);
        size += message_encoded_size(&message);
    }
    if (publish->idempotency != NULL)
        size += idempotency_encoded_size(publish->idempotency);
    return size;
}

static void propose(struct service *service, uint32_t topic_id,
                    const struct backend_publish *publish, proposal_done done,
                    void *context, uint64_t token)
{
    struct encoder *out = proposer_begin(service->parts.proposer);
    size_t begun = command_messages_begin_once(
        out, clock_wall_ms(), publish->idempotency, publish->count);
    for (uint32_t i = 0; i < publish->count; i++) {
        struct message message = message_of(publish, i);
        message.topic_id = topic_id;
        message_encode(out, &message);
        service->published_bytes += message.payload.length;
    }
    command_end(out, begun);
    proposer_end(service->parts.proposer, done, context, token);
}

/* What apply said of it; counted. */
static struct backend_outcome outcome_of(struct service *service, int code,
                                         const struct command_result *result)
{
    struct backend_outcome outcome = {.code = code};
    if (code != 0)
        return outcome;
    outcome.replayed = result->code == ERR_EXISTS;
    outcome.code = outcome.replayed ? 0 : result->code;
    outcome.id = result->id;
    if (result->code == 0)
        service->published += result->count;
    service->refused +=
        result->code == ERR_NO_SPACE || result->code == ERR_BUSY;
    if (result->code == ERR_NOT_FOUND)
        outcome.field = "topic";
    if (result->code == ERR_NO_SPACE)
        outcome.detail = "the topic has reached its max_backlog_bytes";
    if (result->code == ERR_BUSY)
        outcome.detail = "no more idempotency keys can be kept: each is kept "
                         "for 24 hours";
    return outcome;
}

/* ---- One request ---- */

static void on_published(void *context, uint64_t ticket, int code,
                         uint64_t index, const struct command_result *result)
{
    struct service *service = context;
    (void)index;
    struct backend_outcome outcome = outcome_of(service, code, result);
    struct backend_result answered = {.ticket = ticket,
                                      .code = outcome.code,
                                      .field = outcome.field,
                                      .detail = outcome.detail,
                                      .id = outcome.id,
                                      .count = code == 0 ? result->count : 0,
                                      .replayed = outcome.replayed};
    service_answer(service, &answered);
}

void service_publish(void *context, uint64_t ticket,
                     const struct backend_publish *publish)
{
    struct service *service = context;
    const char *detail;
    int rc = service_publish_check(service, encoded_size(publish), &detail);
    const struct topic *topic =
        catalog_topic_named(service->parts.catalog, publish->topic);
    if (rc == 0 && topic == NULL)
        rc = ERR_NOT_FOUND;
    if (rc != 0) {
        service->refused += rc != ERR_NOT_FOUND;
        service_refuse(service, ticket, rc,
                       rc == ERR_NOT_FOUND ? "topic" : NULL, detail);
        return;
    }
    propose(service, topic->id, publish, on_published, service, ticket);
}

/* ---- Many ---- */

static struct service_batch *batch_new(struct service *service, uint64_t ticket,
                                       uint32_t count)
{
    struct service_batch *batch =
        memory_new_zeroed(1, sizeof *batch + count * sizeof batch->outcomes[0]);
    batch->service = service;
    batch->ticket = ticket;
    batch->count = count;
    batch->next = service->batches;
    batch->link = &service->batches;
    if (batch->next != NULL)
        batch->next->link = &batch->next;
    service->batches = batch;
    return batch;
}

static void batch_unlink(struct service_batch *batch)
{
    *batch->link = batch->next;
    if (batch->next != NULL)
        batch->next->link = batch->link;
}

/* When all were certainly not done, the whole can be tried elsewhere. */
static int common_code(const struct service_batch *batch)
{
    for (uint32_t i = 0; i < batch->count; i++)
        if (batch->outcomes[i].code != ERR_UNAVAILABLE)
            return 0;
    return ERR_UNAVAILABLE;
}

static struct backend_result batch_result(const struct service_batch *batch)
{
    return (struct backend_result){.ticket = batch->ticket,
                                   .code = common_code(batch),
                                   .count = batch->count,
                                   .outcomes = batch->outcomes};
}

static void on_each_published(void *context, uint64_t at, int code,
                              uint64_t index,
                              const struct command_result *result)
{
    struct service_batch *batch = context;
    (void)index;
    batch->outcomes[at] = outcome_of(batch->service, code, result);
    if (--batch->open > 0)
        return;
    struct backend_result answered = batch_result(batch);
    batch_unlink(batch);
    service_answer(batch->service, &answered);
    free(batch);
}

/* Not one was proposed. The answer takes the way of a read, so that it does
 * not come before the call that asked has returned. */
static void answer_later(struct service_batch *batch)
{
    struct service *service = batch->service;
    struct service_read *read = service_read_new(service, batch->ticket, NULL);
    read->result = batch_result(batch);
    read->data = batch;
    batch_unlink(batch);
    reads_return(service->parts.reads, &read->job);
}

void service_publish_each(void *context, uint64_t ticket,
                          const struct backend_publish *publishes,
                          uint32_t count)
{
    struct service *service = context;
    size_t size = 0;
    for (uint32_t i = 0; i < count; i++)
        size += encoded_size(&publishes[i]);
    const char *detail;
    int rc = service_publish_check(service, size, &detail);
    if (rc != 0) {
        service->refused += count;
        service_refuse(service, ticket, rc, NULL, detail);
        return;
    }
    struct service_batch *batch = batch_new(service, ticket, count);
    for (uint32_t i = 0; i < count; i++) {
        const struct topic *topic =
            catalog_topic_named(service->parts.catalog, publishes[i].topic);
        if (topic == NULL) {
            batch->outcomes[i].code = ERR_NOT_FOUND;
            batch->outcomes[i].field = "topic";
            continue;
        }
        batch->open++;
        propose(service, topic->id, &publishes[i], on_each_published, batch, i);
    }
    if (batch->open == 0)
        answer_later(batch);
}

/* Their proposals are not answered any more. */
void service_batches_free(struct service *service)
{
    while (service->batches != NULL) {
        struct service_batch *batch = service->batches;
        batch_unlink(batch);
        free(batch);
    }
}
