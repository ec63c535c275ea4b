/* The handshake: who gets through, and everybody who must not. */
#include "base/codec.h"
#include "raft/handshake.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include <cmocka.h>

enum { ONE = 1 << 16 | 1, TWO = 1 << 16 | 2, THREE = 1 << 16 | 3 };

static const char *const secret = "correct horse battery staple";

static uint8_t next_nonce;

static struct handshake_options options_of(enum handshake_role role,
                                           uint64_t raft_id)
{
    struct handshake_options options = {
        .role = role,
        .secret = slice_text(secret),
        .cluster_id = {0xc1, 0x05, 0x7e},
        .raft_id = raft_id,
        .wanted_id = role == HANDSHAKE_DIALER ? TWO : 0,
        .purpose = LANE_ENTRIES,
    };
    memset(options.nonce, ++next_nonce, sizeof options.nonce);
    return options;
}

/* A dialer, node 1, and a listener, node 2, and what they said. */
struct pair {
    struct handshake_options dialer_options;
    struct handshake_options listener_options;
    struct handshake dialer;
    struct handshake listener;
    struct error dialer_error;
    struct error listener_error;
    int dialer_rc;
    int listener_rc;
    uint8_t said[2 * HANDSHAKE_HELLO]; /* By the dialer, all of it. */
    size_t said_length;
};

static struct pair pair_of(void)
{
    return (struct pair){
        .dialer_options = options_of(HANDSHAKE_DIALER, ONE),
        .listener_options = options_of(HANDSHAKE_LISTENER, TWO),
    };
}

static void pair_begin(struct pair *pair)
{
    struct error error = {0};
    assert_int_equal(
        handshake_init(&pair->dialer, &pair->dialer_options, &error), 0);
    assert_int_equal(
        handshake_init(&pair->listener, &pair->listener_options, &error), 0);
}

/* Carries what `from` has to say to `to`; false: nothing was said. */
static bool carry(struct pair *pair, struct handshake *from,
                  struct handshake *to, int *rc, struct error *error)
{
    uint8_t bytes[HANDSHAKE_HELLO];
    struct slice output = handshake_output(from);
    size_t used = 0;
    if (output.length == 0)
        return false;
    memcpy(bytes, output.data, output.length);
    if (from == &pair->dialer) {
        memcpy(pair->said + pair->said_length, bytes, output.length);
        pair->said_length += output.length;
    }
    if (*rc == 0) {
        *rc =
            handshake_receive(to, slice_of(bytes, output.length), &used, error);
        assert_true(*rc != 0 || used == output.length);
        assert_true(*rc == 0 || error->text[0] != '\0');
    }
    return true;
}

static void pair_run(struct pair *pair)
{
    bool busy = true;
    pair_begin(pair);
    while (busy) {
        busy = carry(pair, &pair->dialer, &pair->listener, &pair->listener_rc,
                     &pair->listener_error);
        busy |= carry(pair, &pair->listener, &pair->dialer, &pair->dialer_rc,
                      &pair->dialer_error);
    }
}

static void expect_through(struct pair pair)
{
    pair_run(&pair);
    assert_int_equal(pair.dialer_rc, 0);
    assert_int_equal(pair.listener_rc, 0);
    assert_true(handshake_done(&pair.dialer));
    assert_true(handshake_done(&pair.listener));
}

/* Neither gets through, and each side that has something to say says it. */
static void expect_refused(struct pair pair, const char *dialer_words,
                           const char *listener_words)
{
    pair_run(&pair);
    assert_false(handshake_done(&pair.dialer));
    assert_false(handshake_done(&pair.listener));
    assert_true(pair.dialer_rc != 0 || pair.listener_rc != 0);
    if (dialer_words != NULL)
        assert_non_null(strstr(pair.dialer_error.text, dialer_words));
    if (listener_words != NULL)
        assert_non_null(strstr(pair.listener_error.text, listener_words));
}

/* --- Who gets through --------------------------------------------------- */

static void test_members_find_each_other(void **state)
{
    (void)state;
    for (unsigned purpose = 0; purpose < LANES; purpose++) {
        struct pair pair = pair_of();
        pair.dialer_options.purpose = (enum frame_lane)purpose;
        pair_run(&pair);
        assert_true(handshake_done(&pair.dialer));
        assert_true(handshake_done(&pair.listener));
        assert_int_equal(pair.dialer.peer.raft_id, TWO);
        assert_int_equal(pair.listener.peer.raft_id, ONE);
        assert_int_equal(pair.dialer.peer.purpose, purpose);
        assert_int_equal(pair.listener.peer.purpose, purpose);
        assert_int_equal(pair.listener.peer.version, HANDSHAKE_VERSION);
        assert_int_equal(pair.said_length, HANDSHAKE_HELLO + HANDSHAKE_PROOF);
    }
}

static void test_a_node_without_state_is_let_in(void **state)
{
    (void)state;
    struct pair pair = pair_of();
    memset(pair.dialer_options.cluster_id, 0, HANDSHAKE_CLUSTER_ID);
    pair.dialer_options.raft_id = 1;
    pair.dialer_options.wanted_id = 2; /* In any life. */
    expect_through(pair);
    pair = pair_of();
    memset(pair.listener_options.cluster_id, 0, HANDSHAKE_CLUSTER_ID);
    pair.listener_options.raft_id = 2;
    pair.dialer_options.wanted_id = 2;
    expect_through(pair);
}

static void test_loopback_may_go_without_a_secret(void **state)
{
    (void)state;
    struct pair pair = pair_of();
    struct error error = {0};
    pair.dialer_options.secret = slice_of(NULL, 0);
    pair.listener_options.secret = slice_of(NULL, 0);
    assert_int_equal(handshake_init(&pair.dialer, &pair.dialer_options, &error),
                     ERR_INVALID);
    assert_non_null(strstr(error.text, "--cluster-secret-file"));
    assert_int_equal(
        handshake_init(&pair.listener, &pair.listener_options, &error),
        ERR_INVALID);
    pair.dialer_options.loopback = true;
    pair.listener_options.loopback = true;
    expect_through(pair);
}

static void test_bytes_may_come_one_by_one(void **state)
{
    (void)state;
    struct pair pair = pair_of();
    pair_begin(&pair);
    for (int turn = 0; turn < 4; turn++) {
        struct handshake *from = turn % 2 == 0 ? &pair.dialer : &pair.listener;
        struct handshake *to = turn % 2 == 0 ? &pair.listener : &pair.dialer;
        struct slice output = handshake_output(from);
        assert_true(output.length > 0);
        for (size_t i = 0; i < output.length; i++) {
            size_t used = 0;
            assert_false(handshake_done(to));
            assert_int_equal(handshake_receive(to, slice_of(output.data + i, 1),
                                               &used, &pair.dialer_error),
                             0);
            assert_int_equal(used, 1);
        }
    }
    assert_true(handshake_done(&pair.dialer));
    assert_true(handshake_done(&pair.listener));
}

/* What is behind the handshake is left alone. */
static void test_nothing_behind_the_proof_is_taken(void **state)
{
    (void)state;
    struct pair pair = pair_of();
    struct error error = {0};
    uint8_t bytes[HANDSHAKE_PROOF + 100] = {0};
    size_t used = 0;
    pair_begin(&pair);
    carry(&pair, &pair.dialer, &pair.listener, &pair.listener_rc, &error);
    carry(&pair, &pair.listener, &pair.dialer, &pair.dialer_rc, &error);
    struct slice proof = handshake_output(&pair.dialer);
    memcpy(bytes, proof.data, proof.length);
    assert_int_equal(handshake_receive(&pair.listener,
                                       slice_of(bytes, sizeof bytes), &used,
                                       &error),
                     0);
    assert_int_equal(used, HANDSHAKE_PROOF);
    assert_true(handshake_done(&pair.listener));
}

static void test_a_newer_version_speaks_the_older(void **state)
{
    (void)state;
    struct pair pair = pair_of();
    struct error error = {0};
    uint8_t hello[HANDSHAKE_HELLO];
    size_t used = 0;
    pair_begin(&pair);
    memcpy(hello, handshake_output(&pair.dialer).data, sizeof hello);
    hello[4] = HANDSHAKE_VERSION + 1;
    put_u64(hello + 72, XXH3_64bits(hello, 72));
    assert_int_equal(handshake_receive(&pair.listener,
                                       slice_of(hello, sizeof hello), &used,
                                       &error),
                     0);
    assert_int_equal(pair.listener.peer.version, HANDSHAKE_VERSION);
    pair_begin(&pair);
    hello[4] = HANDSHAKE_VERSION_OLDEST - 1;
    put_u64(hello + 72, XXH3_64bits(hello, 72));
    assert_int_equal(handshake_receive(&pair.listener,
                                       slice_of(hello, sizeof hello), &used,
                                       &error),
                     ERR_VERSION);
}

/* The hello of all versions: it must not change by accident. */
static void test_golden_hello(void **state)
{
    (void)state;
    static const uint8_t expected[72] = {
        'P', 'O', 'S', 'H', 1, 1, 0, 1, 1, 0, 1,    0,    0,    0,
        0,   0,   2,   0,   1, 0, 0, 0, 0, 0, 0xc1, 0x05, 0x7e,
    };
    struct pair pair = pair_of();
    uint8_t hello[72];
    memcpy(hello, expected, 40);
    memset(hello + 40, 0xab, 32);
    memset(pair.dialer_options.nonce, 0xab, HANDSHAKE_NONCE);
    pair_begin(&pair);
    struct slice output = handshake_output(&pair.dialer);
    assert_int_equal(output.length, 80);
    assert_memory_equal(output.data, hello, 72);
    assert_true(get_u64(output.data + 72) == XXH3_64bits(hello, 72));
}

static void expect_hex(struct slice bytes, const char *hex)
{
    char text[2 * HANDSHAKE_HELLO + 1] = "";
    for (size_t i = 0; i < bytes.length; i++)
        snprintf(text + 2 * i, 3, "%02x", bytes.data[i]);
    assert_string_equal(text, hex);
}

/* HMAC-SHA256 as another implementation computes it. */
static void test_golden_proofs(void **state)
{
    (void)state;
    struct pair pair = pair_of();
    struct error error = {0};
    uint8_t proof[HANDSHAKE_PROOF];
    size_t used = 0;
    memset(pair.dialer_options.nonce, 0xab, HANDSHAKE_NONCE);
    memset(pair.listener_options.nonce, 0xcd, HANDSHAKE_NONCE);
    pair_begin(&pair);
    carry(&pair, &pair.dialer, &pair.listener, &pair.listener_rc, &error);
    carry(&pair, &pair.listener, &pair.dialer, &pair.dialer_rc, &error);
    memcpy(proof, handshake_output(&pair.dialer).data, sizeof proof);
    expect_hex(
        slice_of(proof, sizeof proof),
        "140054b9391ee996e8fe7ea8fdb60a3928823a9e37bd0335f73d617d2bbada2c");
    assert_int_equal(handshake_receive(&pair.listener,
                                       slice_of(proof, sizeof proof), &used,
                                       &error),
                     0);
    expect_hex(
        handshake_output(&pair.listener),
        "5d42e7f46c2edf6ed41d4c47e06f7774a85c6eeb5f46e90cd1b90e7565181b9f");
}

/* --- Who does not ------------------------------------------------------- */

static void test_wrong_secrets_are_refused(void **state)
{
    (void)state;
    struct pair pair = pair_of();
    pair.dialer_options.secret = slice_text("correct horse battery stapler");
    expect_refused(pair, NULL, "does not know the cluster's secret");
    pair = pair_of();
    pair.dialer_options.secret = slice_of(NULL, 0);
    pair.dialer_options.loopback = true;
    expect_refused(pair, "it has a cluster secret, but this node has none",
                   "it has no cluster secret, but this node has one");
    pair = pair_of();
    pair.listener_options.secret = slice_of(NULL, 0);
    pair.listener_options.loopback = true;
    expect_refused(pair, "it has no cluster secret", "it has a cluster secret");
}

static void test_other_clusters_are_refused(void **state)
{
    (void)state;
    struct pair pair = pair_of();
    pair.dialer_options.cluster_id[15] = 1;
    expect_refused(pair, "another cluster", "another cluster");
}

static void test_mistaken_nodes_are_refused(void **state)
{
    (void)state;
    struct pair pair = pair_of();
    pair.dialer_options.wanted_id = THREE;
    expect_refused(pair, "it is node 2", "it looks for node 3");
    /* The node has lost its state and begun another life. */
    pair = pair_of();
    pair.listener_options.raft_id = 2 << 16 | 2;
    expect_refused(pair, "its state was lost", "its state was lost");
    pair = pair_of();
    pair.listener_options.raft_id = 2;
    expect_refused(pair, "its state was lost", "its state was lost");
}

static void test_oneself_is_refused(void **state)
{
    (void)state;
    struct pair pair = pair_of();
    pair.listener_options.raft_id = ONE;
    pair.dialer_options.wanted_id = ONE;
    expect_refused(pair, "leads back here", "leads back here");
    pair.dialer_options.raft_id = 2 << 16 | 1;
    expect_refused(pair, "two nodes share an id", "two nodes share an id");
}

/* What a dialer once said, said again to the same listener by somebody who
 * heard it. */
static void test_replays_are_refused(void **state)
{
    (void)state;
    struct pair pair = pair_of();
    pair_run(&pair);
    assert_true(handshake_done(&pair.listener));
    struct handshake_options again = options_of(HANDSHAKE_LISTENER, TWO);
    struct handshake listener;
    struct error error = {0};
    size_t used = 0;
    assert_int_equal(handshake_init(&listener, &again, &error), 0);
    assert_int_equal(handshake_receive(&listener,
                                       slice_of(pair.said, pair.said_length),
                                       &used, &error),
                     ERR_CONFLICT);
    assert_non_null(strstr(error.text, "secret"));
    assert_false(handshake_done(&listener));
}

/* Whoever has no secret sends back what he hears. */
static void test_reflections_are_refused(void **state)
{
    (void)state;
    struct pair pair = pair_of();
    struct error error = {0};
    uint8_t bytes[HANDSHAKE_HELLO];
    size_t used = 0;
    pair_begin(&pair);
    memcpy(bytes, handshake_output(&pair.dialer).data, sizeof bytes);
    assert_int_equal(handshake_receive(&pair.dialer,
                                       slice_of(bytes, sizeof bytes), &used,
                                       &error),
                     ERR_INVALID);
    assert_non_null(strstr(error.text, "reflection"));
    /* A real hello, but the dialer's own proof comes back. */
    pair = pair_of();
    pair_begin(&pair);
    carry(&pair, &pair.dialer, &pair.listener, &pair.listener_rc, &error);
    carry(&pair, &pair.listener, &pair.dialer, &pair.dialer_rc, &error);
    memcpy(bytes, handshake_output(&pair.dialer).data, HANDSHAKE_PROOF);
    assert_int_equal(handshake_receive(&pair.dialer,
                                       slice_of(bytes, HANDSHAKE_PROOF), &used,
                                       &error),
                     ERR_CONFLICT);
}

/* A stranger learns nothing from a listener that could be tried secrets on:
 * the listener proves itself only to who has proved himself. */
static void test_the_listener_proves_last(void **state)
{
    (void)state;
    struct pair pair = pair_of();
    struct error error = {0};
    uint8_t wrong[HANDSHAKE_PROOF] = {0};
    size_t used = 0;
    pair_begin(&pair);
    carry(&pair, &pair.dialer, &pair.listener, &pair.listener_rc, &error);
    assert_int_equal(handshake_output(&pair.listener).length, HANDSHAKE_HELLO);
    assert_int_equal(handshake_receive(&pair.listener,
                                       slice_of(wrong, sizeof wrong), &used,
                                       &error),
                     ERR_CONFLICT);
    assert_int_equal(handshake_output(&pair.listener).length, 0);
}

static void test_each_flipped_bit_is_refused(void **state)
{
    (void)state;
    for (int turn = 0; turn < 4; turn++) {
        size_t length = turn < 2 ? HANDSHAKE_HELLO : HANDSHAKE_PROOF;
        for (size_t bit = 0; bit < length * 8; bit++) {
            struct pair pair = pair_of();
            int rc = 0;
            pair_begin(&pair);
            for (int t = 0; t <= turn; t++) {
                struct handshake *from =
                    t % 2 == 0 ? &pair.dialer : &pair.listener;
                struct handshake *to =
                    t % 2 == 0 ? &pair.listener : &pair.dialer;
                uint8_t bytes[HANDSHAKE_HELLO];
                struct slice output = handshake_output(from);
                size_t used = 0;
                memcpy(bytes, output.data, output.length);
                if (t == turn)
                    bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
                rc = handshake_receive(to, slice_of(bytes, output.length),
                                       &used, &pair.dialer_error);
                assert_true(t == turn || rc == 0);
            }
            assert_int_not_equal(rc, 0);
        }
    }
}

static void test_garbage_is_refused_at_its_first_byte(void **state)
{
    (void)state;
    const char *const texts[] = {"GET / HTTP/1.1\r\n", "\x16\x03\x01", "P\n",
                                 "SSH-2.0-OpenSSH_9.2\r\n"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct handshake_options options = options_of(HANDSHAKE_LISTENER, TWO);
        struct handshake listener;
        struct error error = {0};
        size_t used = 0;
        assert_int_equal(handshake_init(&listener, &options, &error), 0);
        assert_int_equal(
            handshake_receive(&listener, slice_text(texts[i]), &used, &error),
            ERR_INVALID);
        assert_int_equal(handshake_output(&listener).length, 0);
    }
}

static void test_half_a_handshake_has_its_words(void **state)
{
    (void)state;
    struct pair pair = pair_of();
    struct error error = {0};
    size_t used = 0;
    pair_begin(&pair);
    handshake_interrupted(&pair.listener, &error);
    assert_string_equal(error.text, "it went away without a word");
    handshake_receive(&pair.listener, slice_text("POS"), &used, &error);
    handshake_interrupted(&pair.listener, &error);
    assert_non_null(strstr(error.text, "midst of its hello"));
    pair_begin(&pair);
    carry(&pair, &pair.dialer, &pair.listener, &pair.listener_rc, &error);
    carry(&pair, &pair.listener, &pair.dialer, &pair.dialer_rc, &error);
    handshake_interrupted(&pair.dialer, &error);
    assert_non_null(strstr(error.text, "the same cluster secret"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_members_find_each_other),
        cmocka_unit_test(test_a_node_without_state_is_let_in),
        cmocka_unit_test(test_loopback_may_go_without_a_secret),
        cmocka_unit_test(test_bytes_may_come_one_by_one),
        cmocka_unit_test(test_nothing_behind_the_proof_is_taken),
        cmocka_unit_test(test_a_newer_version_speaks_the_older),
        cmocka_unit_test(test_golden_hello),
        cmocka_unit_test(test_golden_proofs),
        cmocka_unit_test(test_wrong_secrets_are_refused),
        cmocka_unit_test(test_other_clusters_are_refused),
        cmocka_unit_test(test_mistaken_nodes_are_refused),
        cmocka_unit_test(test_oneself_is_refused),
        cmocka_unit_test(test_replays_are_refused),
        cmocka_unit_test(test_reflections_are_refused),
        cmocka_unit_test(test_the_listener_proves_last),
        cmocka_unit_test(test_each_flipped_bit_is_refused),
        cmocka_unit_test(test_garbage_is_refused_at_its_first_byte),
        cmocka_unit_test(test_half_a_handshake_has_its_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
