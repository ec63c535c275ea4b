/* Short texts of strangers: times, Retry-After, addresses, targets, ids, a
 * request's raw header, a body in chunks, an idempotency record, a report of
 * another node. */
#include "fuzz.h"

#include "base/public_id.h"
#include "http/chunked.h"
#include "http/framing.h"
#include "http/target.h"
#include "http/timestamp.h"
#include "raft/address.h"
#include "src/delivery/retry_after.h"
#include "src/peers.h"
#include "storage/idempotency.h"

#include "base/json_write.h"

static const uint64_t now_ms = 1800000000000;

/* Our own form of a time is read as that time. */
static void try_timestamp(struct slice text)
{
    uint64_t ms, again;
    struct encoder out = {0};
    if (timestamp_parse(text, &ms) && ms < (uint64_t)253402300800 * 1000) {
        struct json_writer json = json_writer_of(&out);
        json_write_begin(&json, '{');
        json_member_time(&json, "t", ms == 0 ? 1 : ms);
        /* {"t":"2026-..."} */
        struct slice written = encoder_slice(&out);
        FUZZ_CHECK(written.length > 7);
        FUZZ_CHECK(timestamp_parse(
            slice_of(written.data + 6, written.length - 7), &again));
        FUZZ_CHECK(again == (ms == 0 ? 1 : ms));
    }
    encoder_close(&out);
}

static void try_retry_after(struct slice text)
{
    uint64_t until_ms = retry_after_ms(text, now_ms);
    FUZZ_CHECK(until_ms == 0 || until_ms > now_ms);
}

static void try_address(struct slice text)
{
    struct address address, again;
    struct error error;
    char copy[512];
    char written[ADDRESS_HOST + ADDRESS_PORT + 4];
    if (text.length >= sizeof copy)
        return;
    if (text.length > 0)
        memcpy(copy, text.data, text.length);
    copy[text.length] = '\0';
    if (address_parse(copy, &address, &error) != 0)
        return;
    bool v6 = strchr(address.host, ':') != NULL;
    snprintf(written, sizeof written, v6 ? "[%s]:%s" : "%s:%s", address.host,
             address.port);
    FUZZ_CHECK(address_parse(written, &again, &error) == 0);
    FUZZ_CHECK(strcmp(address.host, again.host) == 0);
}

static void try_public_id(struct slice text)
{
    uint64_t space, id;
    char written[PUBLIC_ID_SIZE];
    if (!public_id_parse(text, &space, &id))
        return;
    public_id_format(written, space, id);
    FUZZ_CHECK(slice_is(text, written));
}

static void try_idempotency(struct slice field)
{
    struct idempotency request;
    struct encoder out = {0};
    if (idempotency_decode(field, &request) == 0) {
        idempotency_encode(&out, &request);
        FUZZ_CHECK(out.length == idempotency_encoded_size(&request));
        /* A length of its own stands in front. */
        FUZZ_CHECK(slice_equal(slice_of(out.data + 2, out.length - 2), field));
    }
    encoder_close(&out);
}

static void try_report(struct slice text)
{
    struct peers peers = {0};
    struct encoder out = {0};
    if (peers_hear(&peers, text, now_ms, now_ms)) {
        FUZZ_CHECK(peers.count == 1);
        peer_report_encode(&out, &peers.reports[0]);
        FUZZ_CHECK(slice_equal(encoder_slice(&out), text));
    }
    encoder_close(&out);
}

/* However its bytes arrive, a body in chunks is the same. */
static void try_chunks(struct slice text)
{
    struct chunked whole = {0}, parts = {0};
    uint8_t *at_once = fuzz_copy(text);
    uint8_t *by_bytes = fuzz_copy(text);
    size_t length = text.length, gathered = 0, used = 0;
    ssize_t wanted = chunked_decode(&whole, (char *)at_once, &length);
    ssize_t got = CHUNKED_UNFINISHED;
    while (used < text.length && got == CHUNKED_UNFINISHED) {
        size_t count = 1;
        got = chunked_decode(&parts, (char *)&by_bytes[used++], &count);
        if (count > 0)
            by_bytes[gathered++] = by_bytes[used - 1];
    }
    FUZZ_CHECK((got < 0 ? got : (ssize_t)(text.length - used)) == wanted);
    FUZZ_CHECK(gathered == length && memcmp(at_once, by_bytes, length) == 0);
    FUZZ_CHECK(wanted <= 0 ||
               memcmp(at_once + length, text.data + used, (size_t)wanted) == 0);
    free(at_once);
    free(by_bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice input = slice_of(data, size);
    unsigned which = fuzz_choose(&input, 8);
    uint8_t *copy = fuzz_copy(input);
    struct slice text = slice_of(copy, input.length);
    switch (which) {
    case 0:
        try_timestamp(text);
        break;
    case 1:
        try_retry_after(text);
        break;
    case 2:
        try_address(text);
        break;
    case 3:
        try_public_id(text);
        break;
    case 4:
        try_idempotency(text);
        break;
    case 5:
        try_report(text);
        break;
    case 6:
        framing_fault(text);
        try_chunks(text);
        break;
    default:
        target_is_valid(text);
        break;
    }
    free(copy);
    return 0;
}
