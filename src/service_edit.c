/* Changes of topics and publishers.
 *
 * A command says how all options shall be, a request only some: the others
 * are taken from what is stored. So that no change undoes another that is
 * still on its way, those of one subject are proposed one after another.
 *
 *   asked --no earlier one of the subject--> proposed --applied--> answered
 *      |                                                    |
 *      +-- waits until the earlier one is answered <--------+ */
#include "service_inside.h"

#include "base/bounds.h"
#include "base/clock.h"
#include "base/memory.h"
#include "delivery/signature.h"
#include "http/publisher_options.h"

#include <stdlib.h>

enum edit_kind { EDIT_TOPIC, EDIT_PUBLISHER, EDIT_ROTATION };

struct service_edit {
    struct service_edit *next;
    struct service *service;
    uint64_t ticket;
    enum edit_kind kind;
    uint32_t id;  /* Of the topic, or of the publisher. */
    bool settled; /* The options are changed; `active` is what is left. */
    struct author author;
    struct arena texts; /* The request's, which goes. */
    struct backend_topic_change topic;
    struct backend_publisher_change publisher;
};

static bool same_subject(const struct service_edit *a,
                         const struct service_edit *b)
{
    return a->id == b->id && (a->kind == EDIT_TOPIC) == (b->kind == EDIT_TOPIC);
}

static void edit_free(struct service_edit *edit)
{
    arena_close(&edit->texts);
    free(edit);
}

static void start(struct service_edit *edit);

/* Its place is free: the next one of the subject may go. */
static void leave(struct service_edit *edit)
{
    struct service *service = edit->service;
    struct service_edit **link = &service->edits;
    while (*link != edit)
        link = &(*link)->next;
    *link = edit->next;
    struct service_edit *next = edit->next;
    while (next != NULL && !same_subject(next, edit))
        next = next->next;
    edit_free(edit);
    if (next != NULL)
        start(next);
}

static void refuse(struct service_edit *edit, int code, const char *field,
                   const char *detail)
{
    service_refuse(edit->service, edit->ticket, code, field, detail);
    leave(edit);
}

/* ---- Proposing ---- */

static void on_applied(void *context, uint64_t ticket, int code, uint64_t index,
                       const struct command_result *result)
{
    struct service_edit *edit = context;
    struct service *service = edit->service;
    bool failed = service_failed(service, ticket, code, result, "target");
    if (!failed && edit->publisher.gives_active && !edit->settled) {
        edit->settled = true;
        start(edit);
        return;
    }
    if (!failed && edit->kind == EDIT_TOPIC)
        service_topic_answer(service, ticket, edit->id, index);
    else if (!failed)
        service_publisher_answer(service, ticket, edit->id, index);
    leave(edit);
}

static struct encoder *propose(struct service_edit *edit)
{
    return proposer_begin(edit->service->parts.proposer);
}

static void proposed(struct service_edit *edit)
{
    proposer_sign(edit->service->parts.proposer, &edit->author);
    proposer_end(edit->service->parts.proposer, on_applied, edit, edit->ticket);
}

/* ---- What is asked ---- */

static void start_topic(struct service_edit *edit)
{
    const struct topic *topic =
        catalog_topic(edit->service->parts.catalog, edit->id);
    if (topic == NULL) {
        refuse(edit, ERR_NOT_FOUND, NULL, NULL);
        return;
    }
    struct command_topic_update update = {.topic_id = edit->id,
                                          .options = topic->options};
    const struct topic_options *from = &edit->topic.options;
    uint32_t given = edit->topic.given;
    if (given & TOPIC_GIVES_ORIGIN_HOST)
        update.options.origin_host = from->origin_host;
    if (given & TOPIC_GIVES_RECOVERY)
        update.options.recovery_enabled = from->recovery_enabled;
    if (given & TOPIC_GIVES_RETENTION)
        update.options.retention_seconds = from->retention_seconds;
    if (given & TOPIC_GIVES_BACKLOG)
        update.options.max_backlog_bytes = from->max_backlog_bytes;
    if (given & TOPIC_GIVES_INDEXED)
        update.options.indexed_fields = from->indexed_fields;
    command_topic_update_encode(propose(edit), clock_wall_ms(), &update);
    proposed(edit);
}

static void start_active(struct service_edit *edit)
{
    bool active = edit->publisher.active;
    struct command_pause pause = {.publisher_id = edit->id,
                                  .paused = !active,
                                  .reason =
                                      slice_text(active ? NULL : "requested")};
    edit->settled = true;
    command_pause_encode(propose(edit), clock_wall_ms(), &pause);
    proposed(edit);
}

/* A secret in place of another is a rotation: what receivers know stays good
 * for a while. A secret that is taken away is no longer used at all. */
static void settle_secret(const struct publisher_options *stored,
                          struct command_publisher_update *update)
{
    struct publisher_options *options = &update->options;
    update->rotate = options->secret.length > 0 && stored->secret.length > 0 &&
                     !slice_equal(options->secret, stored->secret);
    if (options->secret.length == 0) {
        options->previous_secret = slice_of(NULL, 0);
        options->previous_secret_until_ms = 0;
    }
}

static void start_change(struct service_edit *edit,
                         const struct publisher *publisher)
{
    struct command_publisher_update update = {.publisher_id = edit->id,
                                              .options = publisher->options};
    const char *detail = NULL;
    publisher_options_merge(&update.options, &edit->publisher.options,
                            edit->publisher.given);
    const char *field = publisher_options_conflict(&update.options, &detail);
    if (field != NULL) {
        refuse(edit, ERR_INVALID, field, detail);
        return;
    }
    if (service_publisher_triple_taken(edit->service, edit->id,
                                       publisher->topic_id, &update.options)) {
        refuse(edit, ERR_EXISTS, "target", NULL);
        return;
    }
    settle_secret(&publisher->options, &update);
    command_publisher_update_encode(propose(edit), clock_wall_ms(), &update);
    proposed(edit);
}

static void start_rotation(struct service_edit *edit,
                           const struct publisher *publisher)
{
    char secret[SIGNATURE_SECRET_SIZE];
    struct command_publisher_update update = {.publisher_id = edit->id,
                                              .rotate = true,
                                              .options = publisher->options};
    if (!signature_secret_new(secret)) {
        refuse(edit, ERR_UNAVAILABLE, NULL, "the system gives no random bytes");
        return;
    }
    update.options.secret = slice_text(secret);
    command_publisher_update_encode(propose(edit), clock_wall_ms(), &update);
    proposed(edit);
    explicit_bzero(secret, sizeof secret);
}

static void start_publisher(struct service_edit *edit)
{
    const struct catalog_publisher *known =
        catalog_publisher(edit->service->parts.catalog, edit->id);
    if (known == NULL)
        refuse(edit, ERR_NOT_FOUND, NULL, NULL);
    else if (edit->kind == EDIT_ROTATION)
        start_rotation(edit, &known->publisher);
    else if (edit->publisher.gives_active &&
             (edit->settled || edit->publisher.given == 0))
        start_active(edit);
    else
        start_change(edit, &known->publisher);
}

static void start(struct service_edit *edit)
{
    int rc = service_change_check(edit->service);
    if (rc != 0)
        refuse(edit, rc, NULL, NULL);
    else if (edit->kind == EDIT_TOPIC)
        start_topic(edit);
    else
        start_publisher(edit);
}

/* ---- Asking ---- */

/* NULL: too many wait, and the request has been refused. */
static struct service_edit *edit_new(struct service *service, uint64_t ticket,
                                     enum edit_kind kind, uint32_t id)
{
    uint32_t waiting = 0;
    for (const struct service_edit *each = service->edits; each != NULL;
         each = each->next)
        waiting++;
    if (waiting >= BOUND_EDITS) {
        service_refuse(service, ticket, ERR_BUSY, NULL, NULL);
        return NULL;
    }
    struct service_edit *edit = memory_new_zeroed(1, sizeof *edit);
    edit->service = service;
    edit->ticket = ticket;
    edit->kind = kind;
    edit->id = id;
    edit->author = service_author_keep(service, &edit->texts);
    return edit;
}

static void edit_submit(struct service_edit *edit)
{
    struct service_edit **link = &edit->service->edits;
    bool waits = false;
    for (; *link != NULL; link = &(*link)->next)
        waits |= same_subject(*link, edit);
    *link = edit;
    if (!waits)
        start(edit);
}

void service_topic_change(void *context, uint64_t ticket,
                          const struct backend_topic_change *change)
{
    struct service *service = context;
    const struct topic *topic =
        catalog_topic_named(service->parts.catalog, change->name);
    struct service_edit *edit =
        edit_new(service, ticket, EDIT_TOPIC, topic == NULL ? 0 : topic->id);
    if (edit == NULL)
        return;
    edit->topic = *change;
    struct topic_options *options = &edit->topic.options;
    options->origin_host = arena_copy(&edit->texts, options->origin_host);
    options->indexed_fields = arena_copy(&edit->texts, options->indexed_fields);
    edit_submit(edit);
}

void service_publisher_change(void *context, uint64_t ticket,
                              const struct backend_publisher_change *change)
{
    struct service_edit *edit =
        edit_new(context, ticket, EDIT_PUBLISHER, change->id);
    if (edit == NULL)
        return;
    edit->publisher = *change;
    publisher_options_copy(&edit->publisher.options, &edit->texts);
    edit_submit(edit);
}

void service_publisher_rotate(void *context, uint64_t ticket, uint32_t id)
{
    struct service_edit *edit = edit_new(context, ticket, EDIT_ROTATION, id);
    if (edit != NULL)
        edit_submit(edit);
}

void service_edits_free(struct service *service)
{
    while (service->edits != NULL) {
        struct service_edit *edit = service->edits;
        service->edits = edit->next;
        edit_free(edit);
    }
}
