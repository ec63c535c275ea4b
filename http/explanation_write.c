/* The shape of an explanation, why a message is where it is at one publisher:
 * the facts of the store, what the leader's delivery knows beside them, and one
 * sentence. */
#include "http/resources.h"

#include <inttypes.h>

/* What the store told, and what delivery adds. */
struct account {
    const struct backend_explanation *explanation;
    const struct explain *facts;
    enum explain_reason reason;
    uint64_t next_ms;
};

/* A place in the queue of a publisher that is held by its rate. */
static struct account account_of(const struct backend_result *result,
                                 uint32_t index)
{
    const struct backend_explanation *explanation =
        &result->explanations[index];
    struct account account = {.explanation = explanation,
                              .facts = &explanation->facts,
                              .reason = explanation->facts.reason,
                              .next_ms = explanation->facts.next_attempt_ms};
    uint64_t limited_ms = result->activities[index].limited_until_ms;
    if (account.reason == REASON_QUEUED && limited_ms > explanation->now_ms) {
        account.reason = REASON_RATE_LIMITED;
        account.next_ms = limited_ms;
    }
    return account;
}

/* ---- Words ---- */

static void say_time(struct encoder *out, const char *before, uint64_t time_ms)
{
    char text[TIME_TEXT_SIZE];
    if (time_ms != 0)
        encoder_print(out, "%s%s", before, time_text(time_ms, text));
}

static void say_attempt(struct encoder *out, const struct attempt *attempt)
{
    if (attempt->number == 0 && attempt->class == ATTEMPT_OK)
        return;
    encoder_print(out, ": ");
    attempt_say(out, attempt);
}

/* The last attempt that failed, of those kept. */
static const struct attempt *last_failure(const struct delivery *delivery)
{
    static const struct attempt none;
    for (uint32_t i = delivery->history_count; i > 0; i--)
        if (delivery->history[i - 1].class != ATTEMPT_OK)
            return &delivery->history[i - 1];
    return &none;
}

static void say_paused(struct encoder *out, const struct account *account)
{
    const struct publisher *publisher = &account->facts->publisher.publisher;
    encoder_print(out, "The publisher is paused");
    if (publisher->paused_by.length > 0)
        encoder_print(out, " by %.*s", (int)publisher->paused_by.length,
                      (const char *)publisher->paused_by.data);
    if (publisher->pause_reason.length > 0)
        encoder_print(out, " (%.*s)", (int)publisher->pause_reason.length,
                      (const char *)publisher->pause_reason.data);
    say_time(out, " since ", publisher->paused_ms);
    encoder_print(out, " and holds its messages until it is resumed.");
}

static void say_filtered(struct encoder *out, const struct account *account)
{
    const struct filter_verdict *verdict = &account->explanation->verdict;
    if (verdict->clause[0] != '\0')
        encoder_print(out,
                      "The publisher's filter does not want it: at %s, %s.",
                      verdict->clause, verdict->text);
    else
        encoder_print(
            out, "The filter that the publisher had when the message came did "
                 "not want it.");
}

static void say_behind(struct encoder *out, const struct account *account)
{
    const struct message *message = &account->facts->message;
    uint64_t blocking = account->facts->blocking_id;
    if (account->reason == REASON_WAITING_FOR_KEY)
        encoder_print(out,
                      "It waits behind message %" PRIu64
                      " of the same key \"%.*s\", which is not settled yet.",
                      blocking, (int)message->key.length,
                      (const char *)message->key.data);
    else
        encoder_print(
            out,
            "It waits behind message %" PRIu64
            ", which is not settled yet: the publisher's order is strict.",
            blocking);
}

static void say_ended(struct encoder *out, const struct account *account,
                      const char *ending)
{
    const struct delivery *delivery = &account->facts->delivery;
    encoder_print(out, "%s", ending);
    say_time(out, " at ", account->facts->since_ms);
    encoder_print(out, " after %" PRIu32 " attempt%s", delivery->attempts,
                  delivery->attempts == 1 ? "" : "s");
    say_attempt(out, last_failure(delivery));
    encoder_print(out, ".");
}

static void say_until(struct encoder *out, const struct account *account,
                      const char *before, const char *until)
{
    encoder_print(out, "%s", before);
    say_time(out, until, account->next_ms);
    encoder_print(out, ".");
}

static void say_queued(struct encoder *out, const struct account *account)
{
    if (account->facts->ahead > 0)
        encoder_print(
            out, "It is queued, with %" PRIu64 " message%s before it.",
            account->facts->ahead, account->facts->ahead == 1 ? "" : "s");
    else
        encoder_print(out, "It is queued and about to be sent.");
}

static void say_held(struct encoder *out, const struct account *account)
{
    const struct publisher_view *view = &account->facts->publisher;
    if (account->reason == REASON_CIRCUIT_OPEN) {
        encoder_print(out, "The target fails, so that the circuit is open");
        say_time(out, " since ", view->circuit.since_ms);
        say_attempt(out, &view->circuit.error);
        say_time(out, "; the next probe is due at ", account->next_ms);
        encoder_print(out, ".");
        return;
    }
    encoder_print(out, "Its last attempt failed");
    say_attempt(out, last_failure(&account->facts->delivery));
    say_time(out, "; the next one is due at ", account->next_ms);
    encoder_print(out, ".");
}

static void say_reason(struct encoder *out, const struct account *account)
{
    switch (account->reason) {
    case REASON_QUEUED:
        say_queued(out, account);
        return;
    case REASON_IN_FLIGHT:
        encoder_print(out, "It is being sent now.");
        return;
    case REASON_DELIVERED:
        encoder_print(out, "It was delivered");
        say_time(out, " at ", account->facts->since_ms);
        encoder_print(out, ".");
        return;
    case REASON_FILTERED:
        say_filtered(out, account);
        return;
    case REASON_WAITING_FOR_ORDER:
    case REASON_WAITING_FOR_KEY:
        say_behind(out, account);
        return;
    case REASON_RATE_LIMITED:
        say_until(out, account,
                  "The publisher sends as fast as its rate_limit_per_second "
                  "allows; the next message goes",
                  " at ");
        return;
    case REASON_RETRY_AFTER:
        say_until(out, account,
                  "The target asked by Retry-After to be left alone",
                  " until ");
        return;
    case REASON_BACKING_OFF:
    case REASON_CIRCUIT_OPEN:
        say_held(out, account);
        return;
    case REASON_PAUSED:
        say_paused(out, account);
        return;
    case REASON_SCHEDULED:
        say_until(out, account, "It is scheduled", " for ");
        return;
    case REASON_DEAD:
        say_ended(out, account, "It was given up as dead");
        return;
    case REASON_DISCARDED:
        say_ended(out, account, "It was discarded");
        return;
    case REASON_AMBIGUOUS:
        say_ended(out, account,
                  "Whether it arrived is not known, so that at_most_once left "
                  "it to a person to retry or discard");
        return;
    case REASON_BEFORE_FROM_NOW:
        encoder_print(
            out, "It came before the publisher, which began with what came "
                 "after it.");
        return;
    }
}

/* ---- The answer ---- */

static void write_details(struct json_writer *json,
                          const struct account *account)
{
    const struct explain *facts = account->facts;
    json_write_begin(json, '{');
    json_member_u64(json, "attempts", facts->delivery.attempts);
    if (facts->blocking_id != 0)
        json_member_u64(json, "blocking_message", facts->blocking_id);
    if (account->reason == REASON_WAITING_FOR_KEY)
        json_member_text(json, "key", facts->message.key);
    if (account->reason == REASON_QUEUED)
        json_member_u64(json, "ahead", facts->ahead);
    if (account->reason == REASON_FILTERED)
        json_member_text_or_null(
            json, "clause", slice_text(account->explanation->verdict.clause));
    if (account->reason == REASON_PAUSED) {
        const struct publisher *publisher = &facts->publisher.publisher;
        json_member_text_or_null(json, "pause_reason", publisher->pause_reason);
        json_member_text_or_null(json, "paused_by", publisher->paused_by);
    }
    if (account->reason == REASON_CIRCUIT_OPEN) {
        const struct circuit *circuit = &facts->publisher.circuit;
        json_member_u64(json, "failures", circuit->failures);
        json_write_name(json, "error");
        attempt_write_error(json, &circuit->error, circuit->error.started_ms);
    } else if (facts->delivery.history_count > 0) {
        delivery_write_last_error(json, &facts->delivery);
    }
    json_write_end(json, '}');
}

void explanation_write(struct json_writer *json,
                       const struct backend_result *result, uint32_t index)
{
    struct account account = account_of(result, index);
    struct encoder text = {0};
    say_reason(&text, &account);
    json_write_begin(json, '{');
    json_member_u64(json, "message", account.facts->message.id);
    json_member_u64(json, "publisher", account.facts->publisher.publisher.id);
    json_member_string(json, "state",
                       delivery_state_text(account.facts->delivery.state));
    json_member_string(json, "reason", explain_reason_text(account.reason));
    json_member_text(json, "text", encoder_slice(&text));
    json_member_time(json, "since", account.facts->since_ms);
    json_member_time(json, "next_attempt_at", account.next_ms);
    json_write_name(json, "details");
    write_details(json, &account);
    json_write_end(json, '}');
    encoder_close(&text);
}
