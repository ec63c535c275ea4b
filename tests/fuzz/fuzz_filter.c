/* A filter on the first line, a payload behind it: what a stranger filters by,
 * against what another one sends. Asked twice, in short and in words, the
 * answer is the same. */
#include "fuzz.h"

#include "base/bounds.h"
#include "storage/command.h"
#include "storage/filter.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice input = slice_of(data, size);
    struct slice text = fuzz_line(&input);
    struct filter_error error;
    struct filter *filter = NULL;
    struct filter_verdict verdict;
    struct encoder attributes = {0};
    uint8_t *copy = fuzz_copy(text);
    uint8_t *payload = fuzz_copy(input);
    int rc = filter_compile(slice_of(copy, text.length), &filter, &error);
    /* Nothing is borrowed. */
    free(copy);
    if (rc == 0) {
        FUZZ_CHECK(text.length <= BOUND_FILTER_BYTES);
        struct slice value = input;
        if (value.length > BOUND_ATTRIBUTE_VALUE)
            value.length = BOUND_ATTRIBUTE_VALUE;
        attribute_encode(&attributes, slice_text("kind"), value);
        struct slice sent = slice_of(payload, input.length);
        bool matches = filter_match(filter, encoder_slice(&attributes), sent);
        filter_explain(filter, encoder_slice(&attributes), sent, &verdict);
        FUZZ_CHECK(verdict.matches == matches);
        FUZZ_CHECK(matches || verdict.text[0] != '\0');
        /* Encoded attributes that were damaged match nothing, or at least
         * nothing is read behind them. */
        filter_match(filter, sent, sent);
    } else {
        FUZZ_CHECK(error.text[0] != '\0');
    }
    filter_unref(filter);
    encoder_close(&attributes);
    free(payload);
    return 0;
}
