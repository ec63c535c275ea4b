/* Frames: their bytes, and that nothing but whole and sound ones is taken. */
#include "base/bounds.h"
#include "base/codec.h"
#include "raft/frame.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include <cmocka.h>

enum { SENDER = 1 << 16 | 3 };

static struct entry room[BOUND_APPEND_ENTRIES];

/* --- A frame as one run of bytes ---------------------------------------- */

struct wire {
    size_t length;
    size_t head;
    uint8_t bytes[8192];
};

static void add_bytes(struct wire *wire, struct slice bytes)
{
    assert_true(wire->length + bytes.length <= sizeof wire->bytes);
    if (bytes.length > 0)
        memcpy(wire->bytes + wire->length, bytes.data, bytes.length);
    wire->length += bytes.length;
}

static struct wire wire_of(const struct frame *frame)
{
    struct wire wire = {0};
    struct frame_size size;
    assert_int_equal(frame_measure(frame, &size), 0);
    frame_encode(frame, &size, wire.bytes);
    wire.length = wire.head = size.head;
    if (frame->type == FRAME_APPEND_ENTRIES)
        for (unsigned i = 0; i < frame->message.append_entries.n_entries; i++)
            add_bytes(&wire, frame->entries[i].payload);
    else
        add_bytes(&wire, frame->payload);
    assert_int_equal(wire.length, size.head + size.payload);
    return wire;
}

/* A header whose checksums are right, as a member with a defect, or whoever
 * knows the secret, could make it. */
static void sign(struct wire *wire, size_t fields, size_t payload)
{
    put_u64(wire->bytes + 8, XXH3_64bits(wire->bytes + FRAME_HEADER, fields));
    put_u32(wire->bytes + 36, (uint32_t)fields);
    put_u32(wire->bytes + 40, (uint32_t)payload);
    put_u64(wire->bytes, XXH3_64bits(wire->bytes + 8, FRAME_HEADER - 8));
}

/* 0 or the error. The caller drops *ret_body. */
static int decode(const struct wire *wire, struct frame *ret,
                  struct buffer **ret_body, struct error *error)
{
    struct frame_header header;
    *ret_body = NULL;
    int rc = frame_header_decode(wire->bytes, &header, error);
    if (rc != 0)
        return rc;
    size_t length = frame_body_bytes(&header);
    struct buffer *body = buffer_new(length);
    assert_non_null(body);
    assert_true(FRAME_HEADER + length <= sizeof wire->bytes);
    memcpy(body->data, wire->bytes + FRAME_HEADER, length);
    body->length = length;
    *ret_body = body;
    return frame_decode(&header, body, SENDER, room, ret, error);
}

static int try_decode(const struct wire *wire)
{
    struct frame frame;
    struct buffer *body;
    struct error error = {0};
    int rc = decode(wire, &frame, &body, &error);
    assert_true(rc == 0 || error.text[0] != '\0');
    buffer_unref(body);
    return rc;
}

/* --- One of each type --------------------------------------------------- */

static struct entry entries[3];

static struct frame append_of(unsigned count)
{
    static const char *const texts[] = {"", "one", "the second entry"};
    static const enum entry_type types[] = {ENTRY_BARRIER, ENTRY_COMMAND,
                                            ENTRY_CHANGE};
    struct frame frame = {.type = FRAME_APPEND_ENTRIES,
                          .stamp = {0x1122334455667788, 0x99aabbccddeeff00},
                          .entries = entries};
    struct raft_append_entries *append = &frame.message.append_entries;
    for (unsigned i = 0; i < 3; i++) {
        entries[i].term = 5 + i / 2;
        entries[i].type = types[i];
        entries[i].payload = slice_text(texts[i]);
        entries[i].checksum = entry_checksum(entries[i].payload);
    }
    append->version = 1;
    append->term = 7;
    append->prev_log_index = 41;
    append->prev_log_term = 5;
    append->leader_commit = 40;
    append->n_entries = count;
    return frame;
}

static struct frame frame_of(enum frame_type type)
{
    struct frame frame = {.type = type, .stamp = {12, 34}};
    struct raft_message *message = &frame.message;
    switch (type) {
    case FRAME_APPEND_ENTRIES:
        return append_of(3);
    case FRAME_APPEND_ENTRIES_RESULT:
        message->append_entries_result =
            (struct raft_append_entries_result){2, 7, 44, 43, 6, 9};
        break;
    case FRAME_REQUEST_VOTE:
        message->request_vote =
            (struct raft_request_vote){2, 8, SENDER, 44, 7, true, false};
        break;
    case FRAME_REQUEST_VOTE_RESULT:
        message->request_vote_result =
            (struct raft_request_vote_result){2, 8, true, true, 6, 9};
        break;
    case FRAME_INSTALL_SNAPSHOT:
        message->install_snapshot = (struct raft_install_snapshot){
            .version = 1,
            .term = 8,
            .last_index = 100,
            .last_term = 7,
            .conf_index = 3,
        };
        frame.configuration = slice_text("the members");
        frame.description = slice_text("the state");
        break;
    case FRAME_TIMEOUT_NOW:
        message->timeout_now = (struct raft_timeout_now){1, 8, 44, 7};
        break;
    case FRAME_REQUEST:
    case FRAME_ANSWER:
        frame.call = (struct frame_call){.id = 77, .kind = 5};
        frame.payload = slice_text("{\"hello\": 1}");
        break;
    case FRAME_PING:
    case FRAME_TYPES:
        break;
    }
    return frame;
}

static void to_hex(const struct wire *wire, char *text)
{
    for (size_t i = 0; i < wire->length; i++)
        snprintf(text + 2 * i, 3, "%02x", wire->bytes[i]);
}

/* --- Tests -------------------------------------------------------------- */

/* The format is what other versions of the program speak: it must not change
 * by accident. */
static void test_golden_bytes(void **state)
{
    (void)state;
    static const struct {
        enum frame_type type;
        const char *hex;
    } golden[] = {
        {FRAME_APPEND_ENTRIES,
         "22dae9a727ce6426b5f7e56179095ef5887766554433221100ffeeddccbbaa99"
         "504f534660000000130000000101000007000000000000002900000000000000"
         "05000000000000002800000000000000010500000000000000c294d338058006"
         "2d00000000020500000000000000a0e11f32a7ab1f9103000000010600000000"
         "0000008722c31750bf6e4110000000036f6e65746865207365636f6e6420656e"
         "747279"},
        {FRAME_APPEND_ENTRIES_RESULT,
         "b47b807175add3ba5222a3ef1089ea5e0c000000000000002200000000000000"
         "504f53461d000000000000000102000007000000000000002c00000000000000"
         "2b000000000000000600090002"},
        {FRAME_REQUEST_VOTE,
         "d82861f25a8dd9e23f8b3f90e185195c0c000000000000002200000000000000"
         "504f534622000000000000000103000008000000000000000300010000000000"
         "2c0000000000000007000000000000000201"},
        {FRAME_REQUEST_VOTE_RESULT,
         "cfced1ba8668d1f3ab3d8025ac4cb3160c000000000000002200000000000000"
         "504f53460e00000000000000010400000800000000000000060009000203"},
        {FRAME_INSTALL_SNAPSHOT,
         "b78bbd1f6ab200ce6692f01218091d840c000000000000002200000000000000"
         "504f53463d000000000000000105000008000000000000006400000000000000"
         "07000000000000000300000000000000010b000000746865206d656d62657273"
         "09000000746865207374617465"},
        {FRAME_TIMEOUT_NOW,
         "26c69058f448f1159bfc897635682b7e0c000000000000002200000000000000"
         "504f534619000000000000000106000008000000000000002c00000000000000"
         "070000000000000001"},
        {FRAME_REQUEST,
         "fea286bcccd2df2c79fe5fba157b439b0c000000000000002200000000000000"
         "504f5346140000000c000000010700004d000000000000003fc66426d6e7677c"
         "050000007b2268656c6c6f223a20317d"},
        {FRAME_ANSWER,
         "a08f52c428ae425a79fe5fba157b439b0c000000000000002200000000000000"
         "504f5346140000000c000000010800004d000000000000003fc66426d6e7677c"
         "050000007b2268656c6c6f223a20317d"},
        {FRAME_PING,
         "1cccbe59f64cf5d9c294d3380580062d0c000000000000002200000000000000"
         "504f5346000000000000000001090000"},
    };
    char text[1024];
    for (size_t i = 0; i < sizeof golden / sizeof *golden; i++) {
        struct frame frame = frame_of(golden[i].type);
        struct wire wire = wire_of(&frame);
        to_hex(&wire, text);
        assert_string_equal(text, golden[i].hex);
    }
    assert_int_equal(sizeof golden / sizeof *golden, FRAME_TYPES - 1);
}

static void test_append_entries_come_back(void **state)
{
    (void)state;
    struct frame sent = append_of(3);
    struct wire wire = wire_of(&sent);
    struct frame got;
    struct buffer *body;
    struct error error = {0};
    assert_int_equal(decode(&wire, &got, &body, &error), 0);
    const struct raft_append_entries *append = &got.message.append_entries;
    assert_int_equal(got.type, FRAME_APPEND_ENTRIES);
    assert_int_equal(got.message.type, RAFT_APPEND_ENTRIES);
    assert_int_equal(got.message.server_id, SENDER);
    assert_null(got.message.server_address);
    assert_null(append->entries);
    assert_true(got.stamp.sequence == 0x1122334455667788);
    assert_true(got.stamp.time_ms == 0x99aabbccddeeff00);
    assert_int_equal(append->term, 7);
    assert_int_equal(append->prev_log_index, 41);
    assert_int_equal(append->prev_log_term, 5);
    assert_int_equal(append->leader_commit, 40);
    assert_int_equal(append->n_entries, 3);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(got.entries[i].index, 42 + i);
        assert_int_equal(got.entries[i].term, entries[i].term);
        assert_int_equal(got.entries[i].type, entries[i].type);
        assert_true(got.entries[i].checksum == entries[i].checksum);
        assert_true(slice_equal(got.entries[i].payload, entries[i].payload));
        assert_ptr_equal(got.entries[i].buffer, body);
    }
    assert_int_equal(body->references, 1);
    buffer_unref(body);
}

/* Encoding what was decoded gives the same bytes, for every type. */
static void test_every_type_comes_back(void **state)
{
    (void)state;
    for (unsigned type = 1; type < FRAME_TYPES; type++) {
        struct frame sent = frame_of((enum frame_type)type);
        struct wire wire = wire_of(&sent);
        struct frame got;
        struct buffer *body;
        struct error error = {0};
        assert_int_equal(decode(&wire, &got, &body, &error), 0);
        struct wire again = wire_of(&got);
        assert_int_equal(again.length, wire.length);
        assert_memory_equal(again.bytes, wire.bytes, wire.length);
        assert_string_not_equal(frame_type_name(sent.type), "unknown frame");
        buffer_unref(body);
    }
}

static void test_each_flipped_bit_is_refused(void **state)
{
    (void)state;
    for (unsigned type = 1; type < FRAME_TYPES; type++) {
        struct frame frame = frame_of((enum frame_type)type);
        struct wire wire = wire_of(&frame);
        for (size_t bit = 0; bit < wire.length * 8; bit++) {
            wire.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
            assert_int_not_equal(try_decode(&wire), 0);
            wire.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
        }
        assert_int_equal(try_decode(&wire), 0);
    }
}

/* Fields or payload of any other length, with checksums that are right. */
static void test_each_other_length_is_refused(void **state)
{
    (void)state;
    for (unsigned type = 1; type < FRAME_TYPES; type++) {
        struct frame frame = frame_of((enum frame_type)type);
        struct wire right = wire_of(&frame);
        size_t fields = right.head - FRAME_HEADER;
        size_t payload = right.length - right.head;
        for (size_t f = 0; f <= fields + 32; f++) {
            struct wire wire = right;
            sign(&wire, f, payload);
            if (f != fields)
                assert_int_not_equal(try_decode(&wire), 0);
        }
        for (size_t p = 0; p <= payload + 32; p++) {
            struct wire wire = right;
            sign(&wire, fields, p);
            if (p != payload)
                assert_int_not_equal(try_decode(&wire), 0);
        }
    }
}

static void test_lengths_are_bounded_by_type(void **state)
{
    (void)state;
    struct frame frame = append_of(1);
    struct wire wire = wire_of(&frame);
    struct frame_header header;
    struct error error = {0};
    size_t fields = wire.head - FRAME_HEADER;
    sign(&wire, fields, BOUND_ENTRY_BYTES_MAX);
    assert_int_equal(frame_header_decode(wire.bytes, &header, &error), 0);
    put_u32(wire.bytes + 40, BOUND_ENTRY_BYTES_MAX + 1);
    put_u64(wire.bytes, XXH3_64bits(wire.bytes + 8, FRAME_HEADER - 8));
    assert_int_equal(frame_header_decode(wire.bytes, &header, &error),
                     ERR_TOO_LARGE);
    put_u32(wire.bytes + 40, 0);
    put_u32(wire.bytes + 36, UINT32_MAX);
    put_u64(wire.bytes, XXH3_64bits(wire.bytes + 8, FRAME_HEADER - 8));
    assert_int_equal(frame_header_decode(wire.bytes, &header, &error),
                     ERR_TOO_LARGE);
    sign(&wire, fields, 0);
    put_u32(wire.bytes + 36, 10); /* Too few to be any. */
    put_u64(wire.bytes, XXH3_64bits(wire.bytes + 8, FRAME_HEADER - 8));
    assert_int_equal(frame_header_decode(wire.bytes, &header, &error),
                     ERR_CORRUPT);
    /* A vote carries no payload at all. */
    frame = frame_of(FRAME_REQUEST_VOTE);
    wire = wire_of(&frame);
    sign(&wire, wire.head - FRAME_HEADER, 1);
    assert_int_equal(frame_header_decode(wire.bytes, &header, &error),
                     ERR_TOO_LARGE);
}

static void test_unknown_versions_and_types_are_refused(void **state)
{
    (void)state;
    struct frame frame = frame_of(FRAME_PING);
    struct wire right = wire_of(&frame);
    for (unsigned version = 0; version < 256; version++) {
        struct wire wire = right;
        wire.bytes[44] = (uint8_t)version;
        sign(&wire, 0, 0);
        assert_int_equal(try_decode(&wire),
                         version == FRAME_VERSION ? 0 : ERR_VERSION);
    }
    for (unsigned type = 0; type < 256; type++) {
        struct wire wire = right;
        if (type > 0 && type < FRAME_TYPES)
            continue;
        wire.bytes[45] = (uint8_t)type;
        sign(&wire, 0, 0);
        assert_int_equal(try_decode(&wire), ERR_VERSION);
    }
    assert_string_equal(frame_type_name(FRAME_TYPES), "unknown frame");
}

static int try_append(struct frame frame)
{
    struct wire wire = wire_of(&frame);
    return try_decode(&wire);
}

/* What no log of Raft can hold, though its form is right. */
static void test_impossible_terms_are_refused(void **state)
{
    (void)state;
    struct frame frame = append_of(3);
    entries[1].term = 4; /* Below the one before. */
    assert_int_equal(try_append(frame), ERR_CORRUPT);
    frame = append_of(3);
    entries[2].term = 8; /* Above the leader's. */
    assert_int_equal(try_append(frame), ERR_CORRUPT);
    frame = append_of(3);
    entries[0].term = 0;
    assert_int_equal(try_append(frame), ERR_CORRUPT);
    frame = append_of(3);
    entries[0].type = (enum entry_type)4;
    assert_int_equal(try_append(frame), ERR_CORRUPT);
    frame = append_of(3);
    frame.message.append_entries.prev_log_term = 8;
    assert_int_equal(try_append(frame), ERR_CORRUPT);
    frame = append_of(3);
    frame.message.append_entries.prev_log_index = UINT64_MAX - 1;
    assert_int_equal(try_append(frame), ERR_CORRUPT);
    frame = append_of(0);
    frame.message.append_entries.term = 0;
    assert_int_equal(try_append(frame), ERR_CORRUPT);
    frame = append_of(3);
    assert_int_equal(try_append(frame), 0);
    /* A vote for somebody else than the sender. */
    frame = frame_of(FRAME_REQUEST_VOTE);
    frame.message.request_vote.candidate_id = SENDER + 1;
    assert_int_equal(try_append(frame), ERR_CORRUPT);
    frame = frame_of(FRAME_INSTALL_SNAPSHOT);
    frame.message.install_snapshot.conf_index = 101;
    assert_int_equal(try_append(frame), ERR_CORRUPT);
}

static void test_only_heartbeats_of_appends_are_small(void **state)
{
    (void)state;
    struct frame_size size;
    struct frame frame = append_of(0);
    assert_int_equal(frame_measure(&frame, &size), 0);
    assert_int_equal(size.lane, LANE_SMALL);
    frame = append_of(1); /* A barrier without a byte of payload. */
    assert_int_equal(frame_measure(&frame, &size), 0);
    assert_int_equal(size.lane, LANE_ENTRIES);
    for (unsigned type = 2; type < FRAME_TYPES; type++) {
        frame = frame_of((enum frame_type)type);
        assert_int_equal(frame_measure(&frame, &size), 0);
        bool call = type == FRAME_REQUEST || type == FRAME_ANSWER;
        assert_int_equal(size.lane, call ? LANE_CALLS : LANE_SMALL);
    }
    /* Both sides draw the same line. */
    struct frame_header header;
    struct error error = {0};
    for (unsigned count = 0; count < 2; count++) {
        frame = append_of(count);
        struct wire wire = wire_of(&frame);
        assert_int_equal(frame_header_decode(wire.bytes, &header, &error), 0);
        assert_int_equal(header.lane, count == 0 ? LANE_SMALL : LANE_ENTRIES);
    }
}

static void test_too_much_is_not_encoded(void **state)
{
    (void)state;
    struct frame_size size;
    struct frame frame = frame_of(FRAME_REQUEST);
    frame.payload = slice_of(entries, BOUND_CALL_BYTES);
    assert_int_equal(frame_measure(&frame, &size), 0);
    frame.payload.length++;
    assert_int_equal(frame_measure(&frame, &size), ERR_TOO_LARGE);
    frame = append_of(1);
    entries[0].payload.length = BOUND_ENTRY_BYTES_MAX;
    assert_int_equal(frame_measure(&frame, &size), 0);
    entries[0].payload.length++;
    assert_int_equal(frame_measure(&frame, &size), ERR_TOO_LARGE);
    frame = frame_of(FRAME_INSTALL_SNAPSHOT);
    frame.description.length = BOUND_SMALL_FRAME_BYTES;
    assert_int_equal(frame_measure(&frame, &size), ERR_TOO_LARGE);
    struct entry *many = calloc(BOUND_APPEND_ENTRIES + 1, sizeof *many);
    assert_non_null(many);
    frame = append_of(BOUND_APPEND_ENTRIES + 1);
    frame.entries = many;
    assert_int_equal(frame_measure(&frame, &size), ERR_TOO_LARGE);
    free(many);
}

static void test_entries_are_split(void **state)
{
    (void)state;
    struct entry *many = calloc(2 * BOUND_APPEND_ENTRIES, sizeof *many);
    assert_non_null(many);
    assert_int_equal(frame_fit(many, 0), 0);
    for (unsigned i = 0; i < 2 * BOUND_APPEND_ENTRIES; i++)
        many[i].type = ENTRY_COMMAND;
    assert_int_equal(frame_fit(many, 2 * BOUND_APPEND_ENTRIES),
                     BOUND_APPEND_ENTRIES);
    for (unsigned i = 0; i < 10; i++)
        many[i].payload.length = 256 * 1024;
    assert_int_equal(frame_fit(many, 10), 4);
    many[2].type = ENTRY_CHANGE;
    assert_int_equal(frame_fit(many, 10), 2);
    assert_int_equal(frame_fit(many + 2, 8), 4);
    many[0].payload.length = BOUND_ENTRY_BYTES_MAX;
    assert_int_equal(frame_fit(many, 10), 1);
    many[0].type = ENTRY_CHANGE;
    many[1].type = ENTRY_CHANGE;
    many[0].payload.length = 10;
    assert_int_equal(frame_fit(many, 10), 1);
    free(many);
}

static unsigned seed;

static uint8_t random_byte(void)
{
    return (uint8_t)(rand_r(&seed) >> 7);
}

static void test_garbage_is_refused(void **state)
{
    (void)state;
    struct wire wire = {.length = 512};
    for (int round = 0; round < 20000; round++) {
        for (size_t i = 0; i < wire.length; i++)
            wire.bytes[i] = random_byte();
        assert_int_not_equal(try_decode(&wire), 0);
    }
}

/* Fields of garbage under a right header: whatever is taken is within its
 * bounds (the sanitizers watch), and says the same when it is sent on. */
static void test_signed_garbage_is_harmless(void **state)
{
    (void)state;
    unsigned taken = 0;
    for (int round = 0; round < 50000; round++) {
        struct frame frame =
            frame_of((enum frame_type)(1 + rand_r(&seed) % (FRAME_TYPES - 1)));
        struct wire wire = wire_of(&frame);
        size_t fields = wire.head - FRAME_HEADER;
        for (int i = rand_r(&seed) % 4; i >= 0 && fields > 0; i--)
            wire.bytes[FRAME_HEADER + (size_t)rand_r(&seed) % fields] =
                random_byte();
        sign(&wire, fields, wire.length - wire.head);
        struct frame got;
        struct buffer *body;
        struct error error = {0};
        if (decode(&wire, &got, &body, &error) == 0) {
            struct wire again = wire_of(&got);
            assert_memory_equal(again.bytes, wire.bytes, wire.length);
            taken++;
        }
        buffer_unref(body);
    }
    assert_true(taken > 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden_bytes),
        cmocka_unit_test(test_append_entries_come_back),
        cmocka_unit_test(test_every_type_comes_back),
        cmocka_unit_test(test_each_flipped_bit_is_refused),
        cmocka_unit_test(test_each_other_length_is_refused),
        cmocka_unit_test(test_lengths_are_bounded_by_type),
        cmocka_unit_test(test_unknown_versions_and_types_are_refused),
        cmocka_unit_test(test_impossible_terms_are_refused),
        cmocka_unit_test(test_only_heartbeats_of_appends_are_small),
        cmocka_unit_test(test_too_much_is_not_encoded),
        cmocka_unit_test(test_entries_are_split),
        cmocka_unit_test(test_garbage_is_refused),
        cmocka_unit_test(test_signed_garbage_is_harmless),
    };
    const char *given = getenv("POSTOFFICE_SEED");
    seed = given != NULL ? (unsigned)strtoul(given, NULL, 10) : 1;
    printf("seed %u\n", seed);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
