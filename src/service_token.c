/* The cluster's tokens.
 *
 * Who is told that a token is made may use it at any node at once, and one that
 * is revoked is refused by all: the answer waits until the other members have
 * applied the change too. One that cannot be reached is not waited for: it
 * takes part again only with what it has missed. */
#include "service_inside.h"

#include "access/token_text.h"
#include "base/bounds.h"
#include "base/clock.h"
#include "base/logger.h"
#include "base/memory.h"

#include <assert.h>
#include <stdlib.h>

enum { MEMBERS_WAIT_MS = 3000 };

#define TOKENS "1024"
static_assert(BOUND_TOKENS == 1024, "a detail tells it in words");

/* A change that is applied here, and is to be answered. */
struct token_wait {
    struct token_wait *next;
    struct service *service;
    uint64_t ticket;
    uint64_t index;
    uint64_t deadline_ms;
    bool made;
    struct token token; /* As it was made; texts in the arena. */
    struct arena texts;
    char secret[TOKEN_TEXT_SIZE];
};

static void wait_free(struct token_wait *wait)
{
    explicit_bzero(wait->secret, sizeof wait->secret);
    arena_close(&wait->texts);
    free(wait);
}

static struct token_wait *wait_new(struct service *service, uint64_t ticket)
{
    struct token_wait *wait = memory_new_zeroed(1, sizeof *wait);
    wait->service = service;
    wait->ticket = ticket;
    return wait;
}

static bool members_know(const struct service *service, uint64_t index)
{
    const struct peers *peers = gateway_peers(service->parts.gateway);
    for (uint32_t i = 0; i < peers->count; i++) {
        const struct peer_report *report = &peers->reports[i];
        if (report->node_id != service->parts.settings->node_id &&
            peer_report_is_fresh(report, clock_ms()) &&
            report->applied_index < index)
            return false;
    }
    return true;
}

static void answer(struct token_wait *wait)
{
    struct backend_result result = {.ticket = wait->ticket};
    if (wait->made) {
        result.count = 1;
        result.tokens = &wait->token;
        result.secret = slice_of(wait->secret, TOKEN_TEXT_LENGTH);
    }
    service_answer(wait->service, &result);
    wait_free(wait);
}

void service_turn(struct service *service)
{
    struct token_wait **link = &service->token_waits;
    while (*link != NULL) {
        struct token_wait *wait = *link;
        if (!members_know(service, wait->index) &&
            clock_ms() < wait->deadline_ms) {
            link = &wait->next;
            continue;
        }
        *link = wait->next;
        answer(wait);
    }
}

void service_token_waits_free(struct service *service)
{
    while (service->token_waits != NULL) {
        struct token_wait *wait = service->token_waits;
        service->token_waits = wait->next;
        wait_free(wait);
    }
}

static void wait_for_members(struct token_wait *wait, uint64_t index)
{
    struct service *service = wait->service;
    wait->index = index;
    wait->deadline_ms = clock_ms() + MEMBERS_WAIT_MS;
    wait->next = service->token_waits;
    service->token_waits = wait;
}

/* ---- Making ---- */

static void fail(struct token_wait *wait, int code, const char *field,
                 const char *detail)
{
    struct backend_result result = {
        .ticket = wait->ticket, .code = code, .field = field, .detail = detail};
    service_answer(wait->service, &result);
    wait_free(wait);
}

static void on_made(void *context, uint64_t ticket, int code, uint64_t index,
                    const struct command_result *result)
{
    struct token_wait *wait = context;
    (void)ticket;
    if (code == 0 && result->code == ERR_BUSY)
        fail(wait, ERR_CONFLICT, NULL,
             "The cluster keeps at most " TOKENS " tokens: revoke one first.");
    else if (code != 0 || result->code != 0)
        fail(wait, code != 0 ? code : result->code,
             code == 0 && result->code == ERR_EXISTS ? "name" : NULL, NULL);
    else {
        wait->token.id = (uint32_t)result->id;
        wait->token.created_ms = result->time_ms;
        wait_for_members(wait, index);
    }
}

static int make(struct token_wait *wait, const struct token *token,
                struct error *error)
{
    int rc = token_text_make(wait->secret, error);
    if (rc != 0)
        return rc;
    wait->made = true;
    wait->token = *token;
    wait->token.name = arena_copy(&wait->texts, token->name);
    if (token->topics.length > 0)
        wait->token.topics = arena_copy(&wait->texts, token->topics);
    token_text_digest(slice_of(wait->secret, TOKEN_TEXT_LENGTH),
                      wait->token.digest);
    return 0;
}

void service_token_create(void *context, uint64_t ticket,
                          const struct token *token)
{
    struct service *service = context;
    struct error error = {0};
    int rc = service_change_check(service);
    if (rc == 0 && (token_book_named(service->parts.tokens, token->name) ||
                    token_book_file_has(service->parts.tokens, token->name)))
        rc = ERR_EXISTS;
    if (rc != 0) {
        service_refuse(service, ticket, rc, rc == ERR_EXISTS ? "name" : NULL,
                       NULL);
        return;
    }
    struct token_wait *wait = wait_new(service, ticket);
    rc = make(wait, token, &error);
    if (rc != 0) {
        LOG_ERROR("node", "a token cannot be made",
                  FIELD_TEXT("error", error.text));
        service_refuse(service, ticket, ERR_UNAVAILABLE, NULL,
                       "this node has no randomness for a token");
        wait_free(wait);
        return;
    }
    command_token_create_encode(proposer_begin(service->parts.proposer),
                                clock_wall_ms(), &wait->token);
    proposer_sign(service->parts.proposer, service->author);
    proposer_end(service->parts.proposer, on_made, wait, ticket);
}

/* ---- Revoking ---- */

static void on_revoked(void *context, uint64_t ticket, int code, uint64_t index,
                       const struct command_result *result)
{
    struct token_wait *wait = context;
    (void)ticket;
    if (code == 0 && result->code == ERR_CONFLICT)
        fail(wait, ERR_CONFLICT, NULL,
             "It is the last token of role admin: revoke the others first.");
    else if (code != 0 || result->code != 0)
        fail(wait, code != 0 ? code : result->code, NULL, NULL);
    else
        wait_for_members(wait, index);
}

void service_token_revoke(void *context, uint64_t ticket, struct slice name)
{
    struct service *service = context;
    const struct token *token = token_book_named(service->parts.tokens, name);
    int rc = service_change_check(service);
    const char *detail = NULL;
    if (rc == 0 && token == NULL) {
        rc = ERR_NOT_FOUND;
        if (token_book_file_has(service->parts.tokens, name)) {
            rc = ERR_CONFLICT;
            detail = "This token stands in the node's --api-tokens-file: take "
                     "it out there, and send SIGHUP.";
        }
    }
    if (rc != 0) {
        service_refuse(service, ticket, rc, NULL, detail);
        return;
    }
    command_token_revoke_encode(proposer_begin(service->parts.proposer),
                                clock_wall_ms(), token->id);
    proposer_sign(service->parts.proposer, service->author);
    proposer_end(service->parts.proposer, on_revoked, wait_new(service, ticket),
                 ticket);
}

/* ---- Listing ---- */

static int run_list(struct service_read *read, struct view *view,
                    struct error *error)
{
    struct token *tokens;
    int rc =
        query_tokens(view, read->page.after_id, read->page.limit,
                     &read->job.arena, &tokens, &read->result.count, error);
    read->result.tokens = tokens;
    return rc;
}

void service_token_list(void *context, uint64_t ticket,
                        enum backend_consistency consistency,
                        const struct backend_page *page)
{
    struct service_read *read = service_read_new(context, ticket, run_list);
    read->page = *page;
    service_read_submit(read, consistency);
}
