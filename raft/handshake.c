/* The handshake: both sides wait for a hello, then for a proof; they differ in
 * who speaks first. The first bytes are judged as they come, so that a port
 * scanner is cut at once. */
#include "raft/handshake.h"

#include "base/codec.h"

#include <assert.h>
#include <inttypes.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <xxhash.h>

enum {
    HELLO_MAGIC = 0x48534f50, /* "POSH" */
    HELLO_VERSION = 4,
    HELLO_ROLE = 5,
    HELLO_PURPOSE = 6,
    HELLO_SECURED = 7,
    HELLO_RAFT_ID = 8,
    HELLO_WANTED = 16,
    HELLO_CLUSTER = 24,
    HELLO_NONCE = 40,
    HELLO_CHECKSUM = 72,
};

static const char *const labels[] = {
    [HANDSHAKE_DIALER] = "postoffice cluster: the dialer proves",
    [HANDSHAKE_LISTENER] = "postoffice cluster: the listener proves",
};
enum { LABEL_SIZE = 64 };

bool handshake_means(uint64_t wanted, uint64_t raft_id)
{
    return wanted == raft_id || wanted == handshake_node(raft_id);
}

static enum handshake_role other_role(enum handshake_role role)
{
    return role == HANDSHAKE_DIALER ? HANDSHAKE_LISTENER : HANDSHAKE_DIALER;
}

static uint8_t *hello_of(struct handshake *handshake, enum handshake_role role)
{
    return handshake->transcript +
           (role == HANDSHAKE_DIALER ? 0 : HANDSHAKE_HELLO);
}

/* --- What is sent ------------------------------------------------------- */

static void say(struct handshake *handshake, const uint8_t *bytes,
                size_t length)
{
    assert(length <= sizeof handshake->output);
    memcpy(handshake->output, bytes, length);
    handshake->output_length = length;
}

static void say_hello(struct handshake *handshake)
{
    const struct handshake_options *options = &handshake->options;
    uint8_t *hello = hello_of(handshake, options->role);
    bool dials = options->role == HANDSHAKE_DIALER;
    put_u32(hello, HELLO_MAGIC);
    hello[HELLO_VERSION] = HANDSHAKE_VERSION;
    hello[HELLO_ROLE] = (uint8_t)options->role;
    hello[HELLO_PURPOSE] =
        (uint8_t)(dials ? options->purpose : handshake->peer.purpose);
    hello[HELLO_SECURED] = options->secret.length > 0;
    put_u64(hello + HELLO_RAFT_ID, options->raft_id);
    put_u64(hello + HELLO_WANTED, dials ? options->wanted_id : 0);
    memcpy(hello + HELLO_CLUSTER, options->cluster_id, HANDSHAKE_CLUSTER_ID);
    memcpy(hello + HELLO_NONCE, options->nonce, HANDSHAKE_NONCE);
    put_u64(hello + HELLO_CHECKSUM, XXH3_64bits(hello, HELLO_CHECKSUM));
    say(handshake, hello, HANDSHAKE_HELLO);
}

static void prove(const struct handshake *handshake, enum handshake_role role,
                  uint8_t proof[HANDSHAKE_PROOF])
{
    uint8_t text[LABEL_SIZE + 2 * HANDSHAKE_HELLO] = {0};
    size_t label = strlen(labels[role]);
    assert(label < LABEL_SIZE);
    memcpy(text, labels[role], label);
    memcpy(text + LABEL_SIZE, handshake->transcript,
           sizeof handshake->transcript);
    struct slice secret = handshake->options.secret;
    unsigned length = 0;
    /* HMAC() takes no key of NULL. */
    const void *key = secret.length > 0 ? (const void *)secret.data : "";
    const uint8_t *made = HMAC(EVP_sha256(), key, (int)secret.length, text,
                               sizeof text, proof, &length);
    /* It fails only for lack of a few bytes of memory. */
    assert(made != NULL && length == HANDSHAKE_PROOF);
}

static void say_proof(struct handshake *handshake)
{
    uint8_t proof[HANDSHAKE_PROOF];
    prove(handshake, handshake->options.role, proof);
    say(handshake, proof, sizeof proof);
}

/* --- What is heard ------------------------------------------------------ */

/* Form: magic, checksum, version, side, numbers within their ranges. */
static int check_form(const struct handshake *handshake, const uint8_t *hello,
                      struct error *error)
{
    if (get_u64(hello + HELLO_CHECKSUM) != XXH3_64bits(hello, HELLO_CHECKSUM))
        return error_set(error, ERR_CORRUPT, "its hello is damaged");
    if (hello[HELLO_VERSION] < HANDSHAKE_VERSION_OLDEST)
        return error_set(error, ERR_VERSION,
                         "it speaks version %u of the protocol, this node %u "
                         "to %u",
                         hello[HELLO_VERSION], HANDSHAKE_VERSION_OLDEST,
                         HANDSHAKE_VERSION);
    if (hello[HELLO_ROLE] != other_role(handshake->options.role))
        return error_set(error, ERR_INVALID,
                         "it plays this side's part: a reflection?");
    if (hello[HELLO_PURPOSE] >= LANES || hello[HELLO_SECURED] > 1 ||
        handshake_node(get_u64(hello + HELLO_RAFT_ID)) == 0)
        return error_set(error, ERR_INVALID,
                         "a number in its hello is out of range");
    return 0;
}

static int check_secured(const struct handshake *handshake,
                         const uint8_t *hello, struct error *error)
{
    bool own = handshake->options.secret.length > 0;
    if (own == (hello[HELLO_SECURED] == 1))
        return 0;
    return error_set(error, ERR_CONFLICT,
                     own ? "it has no cluster secret, but this node has one"
                         : "it has a cluster secret, but this node has none");
}

static int check_cluster(const struct handshake *handshake, struct error *error)
{
    static const uint8_t none[HANDSHAKE_CLUSTER_ID];
    const uint8_t *own = handshake->options.cluster_id;
    const uint8_t *its = handshake->peer.cluster_id;
    if (memcmp(own, none, sizeof none) == 0 ||
        memcmp(its, none, sizeof none) == 0 ||
        memcmp(own, its, sizeof none) == 0)
        return 0;
    return error_set(error, ERR_CONFLICT,
                     "it belongs to another cluster (%02x%02x%02x%02x..., not "
                     "%02x%02x%02x%02x...)",
                     its[0], its[1], its[2], its[3], own[0], own[1], own[2],
                     own[3]);
}

/* The id that the dialer wanted is not the listener's. */
static int mistaken(struct error *error, bool dials, uint64_t wanted,
                    uint64_t found)
{
    const char *hint = handshake_node(wanted) == handshake_node(found)
                           ? ": its state was lost in between"
                           : ": is an address wrong?";
    return error_set(error, ERR_CONFLICT,
                     "%s node %u (Raft id %" PRIu64
                     "), but %s node %u (Raft id %" PRIu64 ")%s",
                     dials ? "this node looks for" : "it looks for",
                     handshake_node(wanted), wanted,
                     dials ? "it is" : "this is", handshake_node(found), found,
                     hint);
}

static int check_identity(const struct handshake *handshake,
                          const uint8_t *hello, struct error *error)
{
    const struct handshake_options *options = &handshake->options;
    uint64_t its = handshake->peer.raft_id;
    if (handshake_node(its) == handshake_node(options->raft_id))
        return error_set(error, ERR_CONFLICT,
                         "it says that it is node %u, as is this one: an "
                         "address leads back here, or two nodes share an id",
                         handshake_node(its));
    if (options->role == HANDSHAKE_DIALER) {
        if (!handshake_means(options->wanted_id, its))
            return mistaken(error, true, options->wanted_id, its);
        if (handshake->peer.purpose != options->purpose)
            return error_set(error, ERR_INVALID, "it mistook the purpose");
        return 0;
    }
    uint64_t wanted = get_u64(hello + HELLO_WANTED);
    if (!handshake_means(wanted, options->raft_id))
        return mistaken(error, false, wanted, options->raft_id);
    return 0;
}

static int hear_hello(struct handshake *handshake, struct error *error)
{
    const uint8_t *hello = handshake->input;
    bool listens = handshake->options.role == HANDSHAKE_LISTENER;
    int rc = check_form(handshake, hello, error);
    if (rc != 0)
        return rc;
    memcpy(hello_of(handshake, other_role(handshake->options.role)), hello,
           HANDSHAKE_HELLO);
    handshake->peer.raft_id = get_u64(hello + HELLO_RAFT_ID);
    handshake->peer.version = hello[HELLO_VERSION] < HANDSHAKE_VERSION
                                  ? hello[HELLO_VERSION]
                                  : HANDSHAKE_VERSION;
    handshake->peer.purpose = (enum frame_lane)hello[HELLO_PURPOSE];
    memcpy(handshake->peer.cluster_id, hello + HELLO_CLUSTER,
           HANDSHAKE_CLUSTER_ID);
    if (listens)
        say_hello(handshake);
    rc = check_secured(handshake, hello, error);
    if (rc == 0)
        rc = check_cluster(handshake, error);
    if (rc == 0)
        rc = check_identity(handshake, hello, error);
    if (rc == 0 && !listens)
        say_proof(handshake);
    if (rc == 0)
        handshake->state = HANDSHAKE_AWAITS_PROOF;
    return rc;
}

static int hear_proof(struct handshake *handshake, struct error *error)
{
    uint8_t expected[HANDSHAKE_PROOF];
    prove(handshake, other_role(handshake->options.role), expected);
    if (CRYPTO_memcmp(expected, handshake->input, sizeof expected) != 0)
        return error_set(error, ERR_CONFLICT,
                         "it does not know the cluster's secret");
    if (handshake->options.role == HANDSHAKE_LISTENER)
        say_proof(handshake);
    handshake->state = HANDSHAKE_DONE;
    return 0;
}

/* --- The steps ---------------------------------------------------------- */

int handshake_init(struct handshake *handshake,
                   const struct handshake_options *options, struct error *error)
{
    if (options->secret.length == 0 && !options->loopback)
        return error_set(error, ERR_INVALID,
                         "without a cluster secret only loopback addresses "
                         "are possible: give all nodes the same "
                         "--cluster-secret-file");
    *handshake = (struct handshake){
        .options = *options,
        .state = HANDSHAKE_AWAITS_HELLO,
    };
    if (options->role == HANDSHAKE_DIALER)
        say_hello(handshake);
    return 0;
}

static bool begins_well(const struct handshake *handshake)
{
    uint8_t magic[4];
    put_u32(magic, HELLO_MAGIC);
    size_t length = handshake->input_length;
    return memcmp(handshake->input, magic,
                  length < sizeof magic ? length : sizeof magic) == 0;
}

/* One message, or a part of it. */
static int receive_some(struct handshake *handshake, struct slice bytes,
                        size_t *ret_used, struct error *error)
{
    bool greets = handshake->state == HANDSHAKE_AWAITS_HELLO;
    size_t whole = greets ? HANDSHAKE_HELLO : HANDSHAKE_PROOF;
    size_t missing = whole - handshake->input_length;
    *ret_used = bytes.length < missing ? bytes.length : missing;
    memcpy(handshake->input + handshake->input_length, bytes.data, *ret_used);
    handshake->input_length += *ret_used;
    if (greets && !begins_well(handshake))
        return error_set(error, ERR_INVALID, "it does not speak this protocol");
    if (handshake->input_length < whole)
        return 0;
    handshake->input_length = 0;
    return greets ? hear_hello(handshake, error) : hear_proof(handshake, error);
}

int handshake_receive(struct handshake *handshake, struct slice bytes,
                      size_t *ret_used, struct error *error)
{
    assert(handshake->state != HANDSHAKE_REFUSED);
    size_t used = 0;
    int rc = 0;
    while (rc == 0 && used < bytes.length && !handshake_done(handshake)) {
        size_t some = 0;
        rc = receive_some(handshake,
                          slice_of(bytes.data + used, bytes.length - used),
                          &some, error);
        used += some;
    }
    if (rc != 0)
        handshake->state = HANDSHAKE_REFUSED;
    *ret_used = used;
    return rc;
}

struct slice handshake_output(struct handshake *handshake)
{
    struct slice output = slice_of(handshake->output, handshake->output_length);
    handshake->output_length = 0;
    return output;
}

int handshake_interrupted(const struct handshake *handshake,
                          struct error *error)
{
    const char *words = "it went away in the midst of the handshake";
    if (handshake->state == HANDSHAKE_AWAITS_HELLO)
        words = handshake->input_length == 0
                    ? "it went away without a word"
                    : "it went away in the midst of its hello";
    else if (handshake->options.role == HANDSHAKE_DIALER)
        words = "it went away instead of proving itself: its log says why; "
                "do both nodes have the same cluster secret?";
    return error_set(error, ERR_UNAVAILABLE, "%s", words);
}
