/* Tokens come and go; and a transfer, which changes nothing here. There are
 * few of them and they change seldom: names are found by looking at all. */
#include "storage/apply.h"

struct token_census {
    uint64_t count;
    uint64_t admins;
    bool taken;         /* The name is some token's. */
    struct token found; /* With the id; borrows. */
    bool there;
};

static int take_census(struct store *store, struct slice name, uint32_t id,
                       struct token_census *ret, struct error *error)
{
    struct cursor cursor = {0};
    *ret = (struct token_census){0};
    int rc = cursor_open(&store->transaction, DATABASE_TOKEN, &cursor, error);
    if (rc == 0)
        rc = cursor_seek(&cursor, slice_of(NULL, 0), error);
    while (rc == 0) {
        struct token token;
        uint32_t each = 0;
        rc = key_read_u32(cursor.key, &each);
        if (rc == 0)
            rc = token_row_decode(each, cursor.content, &token);
        if (rc != 0) {
            rc = record_error(error, rc, DATABASE_TOKEN, cursor.key);
            break;
        }
        ret->count++;
        ret->admins += token.role == ROLE_ADMIN;
        ret->taken |= slice_equal(token.name, name);
        if (each == id) {
            ret->found = token;
            ret->there = true;
        }
        rc = cursor_next(&cursor, error);
    }
    cursor_close(&cursor);
    return rc == ERR_END ? 0 : rc;
}

int apply_token_create(struct store *store, const struct command *command,
                       struct command_result *result, struct error *error)
{
    struct token token;
    struct token_census census;
    int rc = command_token_create_decode(command->body, &token);
    if (rc != 0)
        return apply_malformed(error, rc, "token create");
    rc = take_census(store, token.name, 0, &census, error);
    if (rc != 0)
        return rc;
    if (!token_name_is_valid(token.name) ||
        store->global.next_token_id > UINT32_MAX)
        result->code = ERR_INVALID;
    else if (census.taken)
        result->code = ERR_EXISTS;
    else if (census.count >= BOUND_TOKENS)
        result->code = ERR_BUSY;
    if (result->code != 0)
        return 0;
    token.id = (uint32_t)store->global.next_token_id++;
    token.created_ms = store->global.clock_ms;
    result->id = token.id;
    struct key key = key_of_u32(token.id);
    token_row_encode(machine_scratch(store), &token);
    return record_insert(&store->transaction, DATABASE_TOKEN, key_slice(&key),
                         encoder_slice(&store->scratch), error);
}

/* Without an admin nobody could make tokens any more, or revoke them: that of
 * the last one goes last. */
int apply_token_revoke(struct store *store, const struct command *command,
                       struct command_result *result, struct error *error)
{
    struct token_census census;
    uint32_t id;
    int rc = command_token_revoke_decode(command->body, &id);
    if (rc != 0)
        return apply_malformed(error, rc, "token revoke");
    rc = take_census(store, slice_of(NULL, 0), id, &census, error);
    if (rc != 0)
        return rc;
    if (!census.there)
        result->code = ERR_NOT_FOUND;
    else if (census.found.role == ROLE_ADMIN && census.admins == 1 &&
             census.count > 1)
        result->code = ERR_CONFLICT;
    if (result->code != 0)
        return 0;
    result->id = id;
    struct key key = key_of_u32(id);
    return record_delete(&store->transaction, DATABASE_TOKEN, key_slice(&key),
                         error);
}

int apply_transfer(struct store *store, const struct command *command,
                   struct command_result *result, struct error *error)
{
    struct command_transfer transfer;
    int rc = command_transfer_decode(command->body, &transfer);
    (void)store;
    if (rc != 0)
        return apply_malformed(error, rc, "transfer");
    result->id = transfer.to;
    return 0;
}
