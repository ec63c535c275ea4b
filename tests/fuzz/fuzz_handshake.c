/* Two members shake hands over a line on which somebody changes bytes, and
 * makes the hello's checksum fit again; and a stranger who says anything. The
 * stranger never gets in, and both ends agree only on what both have said. */
#include "fuzz.h"

#include "raft/handshake.h"

#include <xxhash.h>

enum { CHANGES_MAX = 4, HELLO_SUM = HANDSHAKE_HELLO - 8, TURNS = 6 };

/* {at u8, xor u8} each; a bit of the first says whether sums are mended. */
struct line {
    struct slice changes;
    bool mended;
    bool changed;
    size_t offset; /* Of all that went over it, both ways. */
};

static void open_end(struct handshake *handshake, enum handshake_role role)
{
    struct error error;
    struct handshake_options options = {
        .role = role,
        .secret = slice_text("sixteen bytes and more"),
        .raft_id = role == HANDSHAKE_DIALER ? 0x10001 : 0x10002,
        .wanted_id = role == HANDSHAKE_DIALER ? 2 : 0,
        .purpose = LANE_SMALL,
    };
    memset(options.cluster_id, 7, sizeof options.cluster_id);
    memset(options.nonce, (int)role, sizeof options.nonce);
    FUZZ_CHECK(handshake_init(handshake, &options, &error) == 0);
}

/* What goes from one end to the other, changed on its way. */
static bool carry(struct line *line, struct handshake *from,
                  struct handshake *to)
{
    uint8_t bytes[HANDSHAKE_HELLO];
    struct error error;
    size_t used;
    struct slice said = handshake_output(from);
    if (said.length == 0)
        return true;
    memcpy(bytes, said.data, said.length);
    for (size_t i = 0; i + 1 < line->changes.length; i += 2) {
        size_t at = line->changes.data[i];
        uint8_t flip = line->changes.data[i + 1];
        if (flip == 0 || at < line->offset || at - line->offset >= said.length)
            continue;
        bytes[at - line->offset] ^= flip;
    }
    if (said.length == HANDSHAKE_HELLO && line->mended)
        put_u64(bytes + HELLO_SUM, XXH3_64bits(bytes, HELLO_SUM));
    if (memcmp(bytes, said.data, said.length) != 0)
        line->changed = true;
    line->offset += said.length;
    return handshake_receive(to, slice_of(bytes, said.length), &used, &error) ==
           0;
}

static void try_line(struct slice input)
{
    struct handshake dialer, listener;
    struct line line = {.changes = input};
    if (input.length > 0)
        line.mended = fuzz_choose(&line.changes, 2) == 1;
    if (line.changes.length > 2 * CHANGES_MAX)
        line.changes.length = 2 * CHANGES_MAX;
    open_end(&dialer, HANDSHAKE_DIALER);
    open_end(&listener, HANDSHAKE_LISTENER);
    bool going = true;
    for (int turn = 0; turn < TURNS && going; turn++)
        going = carry(&line, &dialer, &listener) &&
                carry(&line, &listener, &dialer);
    bool both = handshake_done(&dialer) && handshake_done(&listener);
    FUZZ_CHECK(!both || !line.changed);
    FUZZ_CHECK(both || line.changed);
}

static void try_stranger(struct slice input, enum handshake_role role)
{
    struct handshake handshake;
    struct error error;
    open_end(&handshake, role);
    while (input.length > 0) {
        size_t used = 0;
        size_t length = input.length < 50 ? input.length : 50;
        int rc = handshake_receive(&handshake, slice_of(input.data, length),
                                   &used, &error);
        FUZZ_CHECK(used <= length);
        handshake_output(&handshake);
        if (rc != 0 || used == 0)
            break;
        input = slice_of(input.data + used, input.length - used);
    }
    FUZZ_CHECK(!handshake_done(&handshake));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice input = slice_of(data, size);
    unsigned which = fuzz_choose(&input, 3);
    uint8_t *copy = fuzz_copy(input);
    struct slice text = slice_of(copy, input.length);
    if (which == 0)
        try_line(text);
    else
        try_stranger(text, which == 1 ? HANDSHAKE_LISTENER : HANDSHAKE_DIALER);
    free(copy);
    return 0;
}
