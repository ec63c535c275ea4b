#include "raft/founding.h"

#include "base/codec.h"
#include "raft/entry.h"

#include <assert.h>

enum { STATEMENT_VERSION = 1, STATEMENT_LOG_ID = 17 };

/* By node id, so that all have the same order. */
static void add_member(struct founding *founding, uint32_t node_id)
{
    unsigned at = founding->count++;
    assert(at < BOUND_PEERS);
    for (; at > 0 && founding->members[at - 1].node_id > node_id; at--)
        founding->members[at] = founding->members[at - 1];
    founding->members[at] = (struct founding_member){.node_id = node_id};
}

static struct founding_member *find(struct founding *founding, uint32_t node_id)
{
    for (unsigned i = 0; i < founding->count; i++)
        if (founding->members[i].node_id == node_id)
            return &founding->members[i];
    return NULL;
}

static const char *address_of(const struct cluster_address *members,
                              size_t count, uint32_t node_id)
{
    for (size_t i = 0; i < count; i++)
        if (members[i].node_id == node_id)
            return members[i].address;
    return "";
}

void founding_init(struct founding *founding, uint32_t node_id, uint64_t nonce,
                   const struct cluster_address *members, size_t count)
{
    struct encoder list = {0};
    *founding = (struct founding){.node_id = node_id};
    for (size_t i = 0; i < count; i++)
        add_member(founding, members[i].node_id);
    for (unsigned i = 0; i < founding->count; i++) {
        uint32_t id = founding->members[i].node_id;
        encoder_u32(&list, id);
        encoder_string(&list, slice_text(address_of(members, count, id)));
    }
    founding->list = entry_checksum(encoder_slice(&list)) | 1;
    encoder_close(&list);
    find(founding, node_id)->nonce = nonce;
}

void founding_done(struct founding *founding, uint32_t node_id, uint64_t nonce,
                   uint64_t log_id)
{
    *founding = (struct founding){.node_id = node_id, .log_id = log_id};
    add_member(founding, node_id);
    founding->members[0].nonce = nonce;
}

void founding_state(const struct founding *founding,
                    uint8_t statement[FOUNDING_STATEMENT])
{
    const struct founding_member *own =
        find((struct founding *)founding, founding->node_id);
    statement[0] = STATEMENT_VERSION;
    put_u64(statement + 1, founding->list);
    put_u64(statement + 9, own->nonce);
    put_u64(statement + STATEMENT_LOG_ID, founding->log_id);
}

/* 0 while a nonce is missing. */
static uint64_t make_log_id(const struct founding *founding)
{
    uint8_t bytes[8 + 8 * BOUND_PEERS];
    put_u64(bytes, founding->list);
    for (unsigned i = 0; i < founding->count; i++) {
        if (founding->members[i].nonce == 0)
            return 0;
        put_u64(bytes + 8 + (size_t)i * 8, founding->members[i].nonce);
    }
    return entry_checksum(slice_of(bytes, 8 + (size_t)founding->count * 8)) | 1;
}

/* Whoever has founded must have done so with the nonces that are known. */
static int check_founded(const struct founding *founding, uint64_t log_id,
                         struct error *error)
{
    for (unsigned i = 0; i < founding->count; i++) {
        const struct founding_member *member = &founding->members[i];
        bool alone = member->log_id != 0 && member->nonce == 0;
        if (alone ||
            (member->log_id != 0 && log_id != 0 && member->log_id != log_id))
            return error_set(error, ERR_CONFLICT,
                             "node %u belongs to a cluster already that was "
                             "not founded with this node as it is now: if "
                             "this node has lost its volume, it must be "
                             "taken in anew under its cluster's leader",
                             member->node_id);
    }
    return 0;
}

int founding_hear(struct founding *founding, uint32_t node_id,
                  struct slice statement, uint64_t *ret_log_id,
                  struct error *error)
{
    struct decoder from = decoder_of(statement);
    uint8_t version = decoder_u8(&from);
    uint64_t list = decoder_u64(&from);
    uint64_t nonce = decoder_u64(&from);
    uint64_t log_id = decoder_u64(&from);
    struct founding_member *member = find(founding, node_id);
    if (version != STATEMENT_VERSION)
        return error_set(error, ERR_VERSION, "its statement has version %u",
                         version);
    if (!decoder_done(&from))
        return error_set(error, ERR_CORRUPT, "its statement is damaged");
    *ret_log_id = 0;
    if (founding->log_id != 0)
        return 0;
    if (member == NULL || (list != 0 && list != founding->list))
        return error_set(error, ERR_CONFLICT,
                         "node %u has another --initial-cluster", node_id);
    member->nonce = nonce;
    member->log_id = log_id;
    *ret_log_id = make_log_id(founding);
    return check_founded(founding, *ret_log_id, error);
}

bool founding_waits(struct slice statement)
{
    return statement.length == FOUNDING_STATEMENT &&
           get_u64(statement.data + STATEMENT_LOG_ID) == 0;
}
