/* One request of a stream, until each of its lines has an outcome that stays.
 */
#include "stream.h"
#include "terminal.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

enum {
    OUTCOME_RETRIES = 20, /* Of a request some of whose lines were put off. */
    OUTCOME_WAIT_US = 500 * 1000,
};

/* ---- How far it is ---- */

bool stream_save(struct stream *stream)
{
    struct error error = {0};
    if (stream->resume == NULL ||
        bookmark_save(stream->resume, &stream->mark, &error) == 0)
        return true;
    progress_clear(stream);
    fprintf(stderr, "postoffice: %s\n", error.text);
    return false;
}

/* The first `count` lines of the batch are done with. */
static bool pass(struct stream *stream, unsigned count)
{
    const struct batch_line *last = &stream->batch[count - 1];
    size_t end = last->end;
    stream->mark.line = last->number;
    stream->mark.digest = last->digest;
    memmove(stream->body.data, stream->body.data + end,
            stream->body.length - end);
    stream->body.length -= end;
    stream->count -= count;
    for (unsigned i = 0; i < stream->count; i++) {
        stream->batch[i] = stream->batch[i + count];
        stream->batch[i].end -= end;
    }
    fflush(stdout);
    return stream_save(stream);
}

/* ---- One request ---- */

/* The next line of an answer. */
static struct slice next_outcome(struct slice *answer)
{
    const uint8_t *end =
        answer->length == 0 ? NULL : memchr(answer->data, '\n', answer->length);
    size_t length = end == NULL ? answer->length : (size_t)(end - answer->data);
    struct slice outcome = slice_of(answer->data, length);
    size_t step = length + (end != NULL);
    *answer = slice_of(answer->data + step, answer->length - step);
    return outcome;
}

/* Whether it may be taken when it is sent again. */
static bool is_put_off(const json_t *problem)
{
    long long status = json_count_of(problem, "status");
    return status == 429 || status == 503 || status == 504 || status == 507;
}

static void show_outcome(struct stream *stream, unsigned i, struct slice text,
                         const json_t *outcome)
{
    const json_t *problem = json_object_get(outcome, "error");
    if (problem != NULL) {
        stream->mark.refused++;
        progress_refused(stream, stream->batch[i].number, problem,
                         "is refused");
    } else {
        stream->mark.stored++;
    }
    if (flag_given(stream->invocation, "json")) {
        struct answer line = {.body = text};
        answer_print(&line);
    } else if (problem == NULL && stream->ids) {
        printf("%lld\n", json_count_of(outcome, "id"));
    }
}

enum outcomes { ALL_KNOWN, SOME_PUT_OFF, NOT_OUTCOMES };

/* Shows each line's outcome, unless one of them may yet change. */
static enum outcomes show_outcomes(struct stream *stream, unsigned count,
                                   struct slice answer, bool show)
{
    enum outcomes result = ALL_KNOWN;
    for (unsigned i = 0; i < count; i++) {
        struct slice text = next_outcome(&answer);
        json_t *outcome =
            json_loadb((const char *)text.data, text.length, 0, NULL);
        const json_t *problem = json_object_get(outcome, "error");
        if (problem == NULL && json_object_get(outcome, "id") == NULL)
            result = NOT_OUTCOMES;
        else if (is_put_off(problem) && result == ALL_KNOWN)
            result = SOME_PUT_OFF;
        if (show)
            show_outcome(stream, i, text, outcome);
        json_decref(outcome);
    }
    return result;
}

/* From now on the first `count` lines may be stored. */
static bool note_sending(struct stream *stream, unsigned count)
{
    stream->mark.until = stream->batch[count - 1].number;
    return stream_save(stream);
}

/* The first `count` lines. */
static enum delivery send_lines(struct stream *stream, unsigned count,
                                struct answer *ret_answer)
{
    char key[BOOKMARK_KEY_SIZE + 24];
    snprintf(key, sizeof key, "%s:%" PRIu64, stream->mark.key,
             stream->mark.line + 1);
    struct client_request request = {
        .method = "POST",
        .path = "/api/messages/batch",
        .type = "application/x-ndjson",
        .body = slice_of(stream->body.data, stream->batch[count - 1].end),
        .idempotency_key = key,
    };
    enum delivery delivery =
        send_surely(stream->invocation, stream->client, &request,
                    !stream->contacted, ret_answer);
    stream->contacted = true;
    return delivery;
}

/* Until each of the lines has an outcome that stays. False: given up. */
static bool settle(struct stream *stream, unsigned count, struct answer *answer)
{
    for (unsigned tries = 0;; tries++) {
        enum outcomes outcomes =
            show_outcomes(stream, count, answer->body, false);
        if (outcomes == ALL_KNOWN)
            break;
        if (outcomes == NOT_OUTCOMES) {
            fputs("postoffice: the answer is none to a batch\n", stderr);
            return false;
        }
        if (tries == OUTCOME_RETRIES) {
            fputs("postoffice: the node puts messages off again and again\n",
                  stderr);
            return false;
        }
        usleep(OUTCOME_WAIT_US);
        if (send_lines(stream, count, answer) != SENT)
            return false;
    }
    show_outcomes(stream, count, answer->body, true);
    return true;
}

/* Sends what has gathered; halves what is too large for the node. False: given
 * up, with words. */
bool stream_send(struct stream *stream)
{
    unsigned count = stream->count;
    while (stream->count > 0) {
        struct answer answer;
        if (count > stream->count)
            count = stream->count;
        if (!note_sending(stream, count))
            return false;
        enum delivery delivery = send_lines(stream, count, &answer);
        if (delivery == TOO_LARGE && count > 1) {
            count /= 2;
            continue;
        }
        if (delivery == TOO_LARGE) {
            stream->mark.refused++;
            progress_refused(stream, stream->batch[0].number, answer.json,
                             "is too large");
        } else if (delivery == GIVEN_UP || !settle(stream, count, &answer)) {
            return false;
        }
        if (!pass(stream, count))
            return false;
        progress_show(stream);
    }
    return true;
}
