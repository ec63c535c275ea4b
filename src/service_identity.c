/* Who asks, and of which topic things are. */
#include "service_inside.h"

void service_asked_by(void *context, const struct author *author)
{
    struct service *service = context;
    service->author = author;
}

void service_propose(struct service *service, proposal_done done,
                     uint64_t ticket)
{
    proposer_sign(service->parts.proposer, service->author);
    proposer_end(service->parts.proposer, done, service, ticket);
}

struct author service_author_keep(const struct service *service,
                                  struct arena *arena)
{
    return (struct author){.who = arena_copy(arena, service->author->who),
                           .request_id =
                               arena_copy(arena, service->author->request_id)};
}

static enum backend_caller_kind kind_of(const struct token *token)
{
    return token->id == 0 ? CALLER_OF_FILE : CALLER_OF_STORE;
}

bool service_authenticate(void *context, struct slice text,
                          struct backend_caller *ret_caller)
{
    struct service *service = context;
    const struct token_book *book = service->parts.tokens;
    if (!token_book_is_closed(book)) {
        *ret_caller = (struct backend_caller){.kind = CALLER_ANONYMOUS,
                                              .role = ROLE_ADMIN,
                                              .name = slice_text("anonymous")};
        return true;
    }
    const struct token *token = token_book_find(book, text);
    if (token == NULL)
        return false;
    *ret_caller = (struct backend_caller){.kind = kind_of(token),
                                          .token_id = token->id,
                                          .role = token->role,
                                          .name = token->name,
                                          .topics = token->topics};
    return true;
}

bool service_recognize(void *context, const struct backend_caller *caller)
{
    struct service *service = context;
    switch (caller->kind) {
    case CALLER_ANONYMOUS:
        return !token_book_is_closed(service->parts.tokens);
    case CALLER_OF_STORE:
        return token_book_has(service->parts.tokens, caller->token_id);
    case CALLER_OF_FILE:
        break;
    }
    return true;
}

/* ---- Topics ---- */

/* Replays and messages are looked up; publishers are known to the catalog,
 * but a view answers at the point in time that was asked for. */
static int find_topic(struct service_read *read, struct view *view,
                      struct topic *topic, struct error *error)
{
    struct arena *arena = &read->job.arena;
    struct message_view message;
    struct pipeline_view pipeline;
    struct replay replay = {0};
    int rc = 0;
    if (read->thing == THING_MESSAGE) {
        rc = query_message(view, read->id, arena, &message, error);
        topic->options.name = message.topic;
        return rc;
    }
    uint32_t publisher_id = (uint32_t)read->id;
    if (read->thing == THING_REPLAY) {
        rc = query_replay(view, (uint32_t)read->id, arena, &replay, error);
        publisher_id = replay.publisher_id;
    }
    if (rc == 0)
        rc = query_pipeline(view, publisher_id, arena, &pipeline, error);
    if (rc == 0)
        rc =
            query_topic(view, pipeline.publisher.topic_id, arena, topic, error);
    return rc;
}

static int run_topic_of(struct service_read *read, struct view *view,
                        struct error *error)
{
    struct topic *topic = arena_take(&read->job.arena, sizeof *topic);
    *topic = (struct topic){0};
    read->result.topics = topic;
    read->result.count = 1;
    return find_topic(read, view, topic, error);
}

void service_topic_of(void *context, uint64_t ticket,
                      enum backend_consistency consistency,
                      enum backend_thing thing, uint64_t id)
{
    struct service_read *read = service_read_new(context, ticket, run_topic_of);
    read->id = id;
    read->thing = thing;
    service_read_submit(read, consistency);
}
