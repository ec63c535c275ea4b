/* `postoffice send`: publishes one message from the command line, or one for
 * each line of standard input. */
#include "send.h"

#include "base/clock.h"
#include "base/json_scan.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

enum {
    KEY_BYTES = 16, /* Of chance: no two streams have the same. */
    RETRY_SECONDS = 60,
    WAIT_MS_MIN = 100,
    WAIT_MS_MAX = 5000,
};

/* ---- Until a node has taken it ---- */

static bool may_pass(const struct answer *answer)
{
    return answer->failure != CLIENT_ANSWERED || answer->status == 429 ||
           answer->status == 502 || answer->status == 503 ||
           answer->status == 504;
}

static void wait_before_retry(const struct answer *answer, uint64_t *wait_ms)
{
    uint64_t wait =
        answer->retry_after_ms > *wait_ms ? answer->retry_after_ms : *wait_ms;
    if (wait > WAIT_MS_MAX)
        wait = WAIT_MS_MAX;
    usleep((useconds_t)(wait * 1000));
    *wait_ms = *wait_ms * 2 > WAIT_MS_MAX ? WAIT_MS_MAX : *wait_ms * 2;
}

enum delivery send_surely(const struct invocation *invocation,
                          struct client *client,
                          const struct client_request *request, bool first,
                          struct answer *ret_answer)
{
    uint64_t seconds = flag_number(invocation, "retry-seconds", RETRY_SECONDS);
    uint64_t began_ms = clock_ms();
    uint64_t wait_ms = WAIT_MS_MIN;
    bool said = false;
    while (true) {
        struct answer answer = client_call(client, request);
        *ret_answer = answer;
        if (answer.status >= 200 && answer.status <= 299)
            return SENT;
        if (answer.status == 413)
            return TOO_LARGE;
        bool nobody = first && answer.failure == CLIENT_REFUSED;
        bool spent = (clock_ms() - began_ms) / 1000 >= seconds;
        if (!may_pass(&answer) || nobody || spent) {
            client_report(client, invocation, &answer);
            return GIVEN_UP;
        }
        if (!said)
            fprintf(stderr, "(%s takes nothing now; trying on)\n",
                    client_url(client));
        said = true;
        wait_before_retry(&answer, &wait_ms);
    }
}

void send_make_key(const struct invocation *invocation,
                   char key[BOOKMARK_KEY_SIZE])
{
    const char *given = flag_text(invocation, "idempotency-key");
    unsigned char chance[KEY_BYTES];
    if (given != NULL) {
        size_t length = strlen(given);
        for (size_t i = 0; i < length; i++)
            if (given[i] <= ' ' || given[i] > '~')
                length = BOOKMARK_KEY_SIZE;
        if (length == 0 || length >= BOOKMARK_KEY_SIZE)
            usage_error(invocation,
                        "--idempotency-key is not 1 to %d visible "
                        "ASCII characters",
                        BOOKMARK_KEY_SIZE - 1);
        memcpy(key, given, length + 1);
        return;
    }
    if (getrandom(chance, sizeof chance, 0) != (ssize_t)sizeof chance) {
        fprintf(stderr, "postoffice: no random bytes: %s\n", strerror(errno));
        exit(STATUS_FAILED);
    }
    for (size_t i = 0; i < sizeof chance; i++)
        snprintf(key + 2 * i, 3, "%02x", chance[i]);
}

/* ---- One message ---- */

void send_wrap(struct encoder *body, struct slice begun, struct slice payload)
{
    encoder_bytes(body, begun);
    encoder_bytes(body, payload);
    if (begun.length > 0)
        encoder_u8(body, '}');
}

bool send_is_json(struct slice text)
{
    struct json_scan scan = json_scan_of(text);
    struct json_value value;
    return json_scan_value(&scan, &value) && json_scan_end(&scan);
}

static int send_one(const struct invocation *invocation, struct client *client,
                    struct slice begun, const char *payload)
{
    char key[BOOKMARK_KEY_SIZE];
    struct encoder body = {0};
    struct answer answer;
    if (!send_is_json(slice_text(payload)))
        usage_error(invocation,
                    "PAYLOAD is not JSON; a text is written '\"so\"'");
    send_make_key(invocation, key);
    send_wrap(&body, begun, slice_text(payload));
    struct client_request request = {.method = "POST",
                                     .path = "/api/messages",
                                     .body = encoder_slice(&body),
                                     .idempotency_key = key};
    enum delivery delivery =
        send_surely(invocation, client, &request, true, &answer);
    if (delivery == TOO_LARGE)
        client_report(client, invocation, &answer);
    else if (delivery == SENT && flag_given(invocation, "json"))
        answer_print(&answer);
    else if (delivery == SENT)
        printf("%lld\n", json_count_of(answer.json, "id"));
    encoder_close(&body);
    return delivery == SENT ? STATUS_DONE : STATUS_FAILED;
}

/* The message up to its payload, which goes in as it is: its bytes are the
 * message. Empty without a topic: lines are whole messages. */
static struct encoder begin_message(const struct invocation *invocation)
{
    struct encoder begun = {0};
    json_t *object = flag_body(invocation);
    if (flag_given(invocation, "topic")) {
        if (json_object_get(object, "attributes") == NULL)
            json_object_set_new(object, "attributes", json_object());
        char *text = json_dumps(object, JSON_COMPACT);
        encoder_bytes(&begun, slice_of(text, strlen(text) - 1)); /* No } */
        encoder_bytes(&begun, slice_text(",\"payload\":"));
        free(text);
    } else if (json_object_size(object) > 0) {
        usage_error(invocation, "--topic is missing");
    }
    json_decref(object);
    return begun;
}

static int run(struct invocation *invocation)
{
    const char *payload = argument_at(invocation, 0);
    bool stream = payload == NULL || strcmp(payload, "-") == 0;
    struct encoder begun = begin_message(invocation);
    if (begun.length == 0 && (payload == NULL || !stream))
        usage_error(invocation, "--topic is missing; - alone reads whole "
                                "messages from standard input");
    if (!stream && flag_given(invocation, "resume"))
        usage_error(invocation, "--resume is for messages from standard input");
    struct client *client = client_new(invocation);
    int status =
        stream ? send_stream(invocation, client, encoder_slice(&begun))
               : send_one(invocation, client, encoder_slice(&begun), payload);
    client_free(client);
    encoder_close(&begun);
    return status;
}

static const struct flag send_flags[] = {
    {.name = "topic",
     .letter = 't',
     .kind = FLAG_TEXT,
     .value = "NAME",
     .place = PLACE_BODY,
     .help = "the topic to publish to"},
    {.name = "attribute",
     .letter = 'a',
     .kind = FLAG_PAIR,
     .value = "NAME=VALUE",
     .place = PLACE_BODY,
     .member = "attributes",
     .repeated = true,
     .help = "an attribute; repeatable"},
    {.name = "key",
     .letter = 'k',
     .kind = FLAG_TEXT,
     .value = "KEY",
     .place = PLACE_BODY,
     .help = "the ordering key"},
    {.name = "schedule-at",
     .kind = FLAG_TEXT,
     .value = "TIME",
     .place = PLACE_BODY,
     .help = "not before then, such as 2026-01-31T12:00:00Z"},
    {.name = "idempotency-key",
     .kind = FLAG_TEXT,
     .value = "KEY",
     .help = "what is sent again under the same key within 24 hours is stored "
             "once (default: a new one each time)"},
    {.name = "resume",
     .kind = FLAG_FILE,
     .value = "FILE",
     .help = "note in FILE how far standard input was sent, and go on from "
             "there"},
    {.name = "retry-seconds",
     .kind = FLAG_NUMBER,
     .value = "S",
     .help = "how long to try on while no node takes anything (default: 60)"},
    {.name = NULL},
};

const struct subcommand command_send = {
    .name = "send",
    .summary = "publish messages",
    .detail =
        "PAYLOAD is a JSON text. Without it, or when it is -, each line of "
        "standard input is one; with - and without --topic, each is a whole "
        "message: {\"topic\", \"payload\", \"attributes\", ...}. Ids are "
        "printed, except those of a stream on a terminal, which shows how far "
        "it is. A line that is refused is told, and the others go on. Exit "
        "status: 0 all are stored, 1 some were refused, 2 wrong usage, 3 "
        "stopped before the end of the input: the same command with --resume "
        "goes on, and nothing is stored twice.",
    .arguments = "[PAYLOAD]",
    .flags = send_flags,
    .talks = true,
    .run = run,
};
