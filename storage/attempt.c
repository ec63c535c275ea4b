/* Attempts are bounded when they are added, not when they are read: what lies
 * in a row has been cut already. */
#include "storage/attempt.h"

#include "base/bounds.h"
#include "base/error.h"

enum { FLAG_MAYBE_DUPLICATE = 1 };

bool attempt_class_known(uint8_t class)
{
    static const bool known[UINT8_MAX + 1] = {
#define KNOWN_ROW(name, number, text) [number] = true,
        ATTEMPT_CLASSES(KNOWN_ROW)
#undef KNOWN_ROW
    };
    return known[class];
}

void attempt_encode(struct encoder *out, const struct attempt *attempt)
{
    encoder_u32(out, attempt->number);
    encoder_u8(out, (uint8_t)attempt->class);
    encoder_u8(out, attempt->maybe_duplicate ? FLAG_MAYBE_DUPLICATE : 0);
    encoder_u16(out, attempt->status);
    encoder_u64(out, attempt->started_ms);
    encoder_u32(out, attempt->duration_ms);
    encoder_string(out, attempt->response);
}

int attempt_decode(struct decoder *in, struct attempt *ret_attempt)
{
    struct attempt attempt = {.number = decoder_u32(in)};
    uint8_t class = decoder_u8(in);
    uint8_t flags = decoder_u8(in);
    attempt.status = decoder_u16(in);
    attempt.started_ms = decoder_u64(in);
    attempt.duration_ms = decoder_u32(in);
    attempt.response = decoder_string(in);
    if (in->failed)
        return ERR_CORRUPT;
    if (!attempt_class_known(class) || (flags & ~FLAG_MAYBE_DUPLICATE) != 0)
        return ERR_VERSION;
    attempt.class = (enum attempt_class) class;
    attempt.maybe_duplicate = (flags & FLAG_MAYBE_DUPLICATE) != 0;
    *ret_attempt = attempt;
    return 0;
}

static void cut(struct slice *bytes, size_t length)
{
    if (bytes->length > length)
        bytes->length = length;
}

void history_add(struct history *history, const struct attempt *attempt)
{
    if (history->count == ATTEMPTS_KEPT) {
        memmove(&history->attempts[1], &history->attempts[2],
                (ATTEMPTS_KEPT - 2) * sizeof history->attempts[0]);
        history->count--;
    }
    struct attempt *last = &history->attempts[history->count++];
    *last = *attempt;
    if (attempt->class == ATTEMPT_OK) {
        last->response = slice_of(NULL, 0);
        return;
    }
    cut(&last->response, BOUND_RESPONSE_KEPT);
    for (struct attempt *old = history->attempts; old < last; old++)
        cut(&old->response, BOUND_RESPONSE_KEPT_OLD);
}

void history_encode(struct encoder *out, const struct history *history)
{
    encoder_u8(out, (uint8_t)history->count);
    for (uint32_t i = 0; i < history->count; i++)
        attempt_encode(out, &history->attempts[i]);
}

int history_decode(struct decoder *in, struct history *ret_history)
{
    struct history history = {.count = decoder_u8(in)};
    if (in->failed || history.count > ATTEMPTS_KEPT)
        return ERR_CORRUPT;
    for (uint32_t i = 0; i < history.count; i++) {
        int rc = attempt_decode(in, &history.attempts[i]);
        if (rc != 0)
            return rc;
    }
    *ret_history = history;
    return 0;
}
