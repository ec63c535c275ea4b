#include "proposer.h"

#include "base/bounds.h"
#include "base/memory.h"

#include <assert.h>
#include <stdlib.h>

struct proposal {
    proposal_done done;
    void *context;
    uint64_t token;
};

/* An entry that gathers, waits or is in flight. */
struct batch {
    struct batch *next;
    uint64_t index; /* 0 until it is submitted. */
    struct encoder bytes;
    struct proposal *proposals;
    uint32_t count;
    uint32_t capacity;
};

struct batches {
    struct batch *first;
    struct batch **last;
};

struct proposer {
    struct cluster *cluster;
    bool leads;
    struct batches waiting;   /* Not submitted; the last one gathers. */
    struct batch *gathering;  /* The last of `waiting`, or NULL. */
    struct batches submitted; /* By index. */
    size_t waiting_bytes;
    struct batch *spare; /* One, with its memory. */
    size_t begun;        /* Length of the gathering entry at _begin(). */
};

static void batches_init(struct batches *batches)
{
    batches->first = NULL;
    batches->last = &batches->first;
}

static void batches_push(struct batches *batches, struct batch *batch)
{
    batch->next = NULL;
    *batches->last = batch;
    batches->last = &batch->next;
}

static struct batch *batches_pop(struct batches *batches)
{
    struct batch *batch = batches->first;
    if (batch != NULL) {
        batches->first = batch->next;
        if (batches->first == NULL)
            batches->last = &batches->first;
    }
    return batch;
}

struct proposer *proposer_new(void)
{
    struct proposer *proposer = memory_new_zeroed(1, sizeof *proposer);
    batches_init(&proposer->waiting);
    batches_init(&proposer->submitted);
    return proposer;
}

static void batch_free(struct batch *batch)
{
    if (batch == NULL)
        return;
    encoder_close(&batch->bytes);
    free(batch->proposals);
    free(batch);
}

void proposer_free(struct proposer *proposer)
{
    if (proposer == NULL)
        return;
    struct batch *batch;
    while ((batch = batches_pop(&proposer->waiting)) != NULL)
        batch_free(batch);
    while ((batch = batches_pop(&proposer->submitted)) != NULL)
        batch_free(batch);
    batch_free(proposer->spare);
    free(proposer);
}

void proposer_attach(struct proposer *proposer, struct cluster *cluster)
{
    proposer->cluster = cluster;
}

int proposer_check(const struct proposer *proposer, size_t size)
{
    if (!proposer->leads)
        return ERR_NOT_LEADER;
    if (proposer->waiting_bytes + size > BOUND_PROPOSAL_BYTES)
        return ERR_BUSY;
    return cluster_status(proposer->cluster).no_space ? ERR_NO_SPACE : 0;
}

static struct batch *batch_new(struct proposer *proposer)
{
    struct batch *batch = proposer->spare;
    if (batch != NULL) {
        proposer->spare = NULL;
        batch->index = 0;
        batch->count = 0;
        batch->bytes.length = 0;
        return batch;
    }
    return memory_new_zeroed(1, sizeof *batch);
}

/* One is kept with its memory, unless a bulk request has made it large. */
static void batch_done(struct proposer *proposer, struct batch *batch)
{
    if (proposer->spare == NULL &&
        batch->bytes.capacity <= 4 * BOUND_ENTRY_BYTES_TARGET)
        proposer->spare = batch;
    else
        batch_free(batch);
}

struct encoder *proposer_begin(struct proposer *proposer)
{
    struct batch *batch = proposer->gathering;
    if (batch == NULL || batch->bytes.length >= BOUND_ENTRY_BYTES_TARGET) {
        batch = batch_new(proposer);
        batches_push(&proposer->waiting, batch);
        proposer->gathering = batch;
    }
    proposer->begun = batch->bytes.length;
    return &batch->bytes;
}

void proposer_sign(struct proposer *proposer, const struct author *author)
{
    command_sign(&proposer->gathering->bytes, proposer->begun, author);
}

void proposer_end(struct proposer *proposer, proposal_done done, void *context,
                  uint64_t token)
{
    struct batch *batch = proposer->gathering;
    assert(batch->bytes.length > proposer->begun);
    proposer->waiting_bytes += batch->bytes.length - proposer->begun;
    if (batch->count == batch->capacity) {
        batch->capacity = batch->capacity == 0 ? 64 : batch->capacity * 2;
        batch->proposals = memory_resize(
            batch->proposals, batch->capacity * sizeof *batch->proposals);
    }
    batch->proposals[batch->count++] =
        (struct proposal){.done = done, .context = context, .token = token};
}

static void refuse(struct proposer *proposer, struct batch *batch, int code)
{
    for (uint32_t i = 0; i < batch->count; i++) {
        struct proposal *proposal = &batch->proposals[i];
        proposal->done(proposal->context, proposal->token, code, 0, NULL);
    }
    batch_done(proposer, batch);
}

void proposer_pump(struct proposer *proposer)
{
    while (proposer->waiting.first != NULL &&
           cluster_can_submit(proposer->cluster)) {
        struct batch *batch = proposer->waiting.first;
        struct buffer *entry = buffer_new(batch->bytes.length);
        if (entry == NULL)
            return; /* Tried again next turn. */
        memcpy(entry->data, batch->bytes.data, batch->bytes.length);
        entry->length = batch->bytes.length;
        int rc = cluster_submit(proposer->cluster, entry, &batch->index);
        if (rc != 0)
            buffer_unref(entry);
        if (rc == ERR_BUSY || rc == ERR_NO_SPACE)
            return;
        batches_pop(&proposer->waiting);
        if (batch == proposer->gathering)
            proposer->gathering = NULL;
        proposer->waiting_bytes -= batch->bytes.length;
        if (rc == 0)
            batches_push(&proposer->submitted, batch);
        else
            refuse(proposer, batch, ERR_UNAVAILABLE);
    }
}

void proposer_applied(struct proposer *proposer, uint64_t index,
                      const struct command_result *results, uint32_t count)
{
    struct batch *batch = proposer->submitted.first;
    if (batch == NULL || batch->index != index)
        return;
    assert(batch->count == count);
    batches_pop(&proposer->submitted);
    for (uint32_t i = 0; i < count; i++) {
        struct proposal *proposal = &batch->proposals[i];
        proposal->done(proposal->context, proposal->token, 0, index,
                       &results[i]);
    }
    batch_done(proposer, batch);
}

void proposer_lead(struct proposer *proposer, bool leads)
{
    proposer->leads = leads;
    if (leads)
        return;
    struct batches waiting = proposer->waiting;
    struct batches submitted = proposer->submitted;
    batches_init(&proposer->waiting);
    batches_init(&proposer->submitted);
    proposer->gathering = NULL;
    proposer->waiting_bytes = 0;
    struct batch *next;
    for (struct batch *batch = submitted.first; batch != NULL; batch = next) {
        next = batch->next;
        refuse(proposer, batch, ERR_UNKNOWN_OUTCOME);
    }
    for (struct batch *batch = waiting.first; batch != NULL; batch = next) {
        next = batch->next;
        refuse(proposer, batch, ERR_UNAVAILABLE);
    }
}

size_t proposer_waiting_bytes(const struct proposer *proposer)
{
    return proposer->waiting_bytes;
}

bool proposer_is_idle(const struct proposer *proposer)
{
    return proposer->waiting.first == NULL && proposer->submitted.first == NULL;
}
