/* Tokens, and what is only written down. */
#include "storage/command.h"

void command_token_create_encode(struct encoder *out, uint64_t time_ms,
                                 const struct token *token)
{
    size_t begun = command_begin(out, COMMAND_TOKEN_CREATE, time_ms);
    encoder_u8(out, (uint8_t)token->role);
    encoder_bytes(out, slice_of(token->digest, sizeof token->digest));
    encoder_string(out, token->name);
    encoder_string(out, token->topics);
    command_end(out, begun);
}

int token_take_rest(struct decoder *in, uint8_t role, struct token *token)
{
    struct slice digest = decoder_bytes(in, sizeof token->digest);
    token->name = decoder_string(in);
    token->topics = decoder_string(in);
    int rc = decoder_end(in);
    if (rc == 0 && (role < ROLE_PUBLISH || role > ROLE_ADMIN))
        rc = ERR_VERSION;
    if (rc != 0)
        return rc;
    token->role = (enum role)role;
    memcpy(token->digest, digest.data, digest.length);
    return 0;
}

int command_token_create_decode(struct slice body, struct token *ret)
{
    struct decoder in = decoder_of(body);
    struct token token = {0};
    uint8_t role = decoder_u8(&in);
    int rc = token_take_rest(&in, role, &token);
    if (rc == 0)
        *ret = token;
    return rc;
}

void command_token_revoke_encode(struct encoder *out, uint64_t time_ms,
                                 uint32_t token_id)
{
    size_t begun = command_begin(out, COMMAND_TOKEN_REVOKE, time_ms);
    encoder_u32(out, token_id);
    command_end(out, begun);
}

int command_token_revoke_decode(struct slice body, uint32_t *ret_id)
{
    struct decoder in = decoder_of(body);
    uint32_t id = decoder_u32(&in);
    int rc = decoder_end(&in);
    if (rc == 0)
        *ret_id = id;
    return rc;
}

void command_transfer_encode(struct encoder *out, uint64_t time_ms,
                             const struct command_transfer *transfer)
{
    size_t begun = command_begin(out, COMMAND_TRANSFER, time_ms);
    encoder_u32(out, transfer->from);
    encoder_u32(out, transfer->to);
    command_end(out, begun);
}

int command_transfer_decode(struct slice body, struct command_transfer *ret)
{
    struct decoder in = decoder_of(body);
    struct command_transfer transfer = {.from = decoder_u32(&in)};
    transfer.to = decoder_u32(&in);
    int rc = decoder_end(&in);
    if (rc == 0)
        *ret = transfer;
    return rc;
}
