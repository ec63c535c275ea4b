/* From the type to the function. */
#include "storage/apply.h"

int apply_malformed(struct error *error, int code, const char *command)
{
    return error_set(error, code, "%s command: %s", command, error_text(code));
}

static apply_function *find(uint8_t type)
{
    /* Without a default, so that the compiler names a type that is missing. */
    switch ((enum command_type)type) {
    case COMMAND_INIT:
        return apply_init;
    case COMMAND_TOPIC_CREATE:
        return apply_topic_create;
    case COMMAND_PUBLISHER_CREATE:
        return apply_publisher_create;
    case COMMAND_PUBLISHER_DELETE:
        return apply_publisher_delete;
    case COMMAND_PUBLISHER_PAUSE:
        return apply_publisher_pause;
    case COMMAND_MESSAGES:
        return apply_messages;
    case COMMAND_GRANT:
        return apply_grant;
    case COMMAND_OUTCOMES:
        return apply_outcomes;
    case COMMAND_INTENT:
        return apply_intent;
    case COMMAND_WITHDRAW:
        return apply_withdraw;
    case COMMAND_TAKEOVER:
        return apply_takeover;
    case COMMAND_PURGE:
        return apply_purge;
    case COMMAND_TOPIC_UPDATE:
        return apply_topic_update;
    case COMMAND_TOPIC_DELETE:
        return apply_topic_delete;
    case COMMAND_PUBLISHER_UPDATE:
        return apply_publisher_update;
    case COMMAND_CIRCUIT:
        return apply_circuit;
    case COMMAND_RELEASE:
        return apply_release;
    case COMMAND_EXPIRE:
        return apply_expire;
    case COMMAND_UNPARK:
        return apply_unpark;
    case COMMAND_RETRY:
        return apply_retry;
    case COMMAND_DISCARD:
        return apply_discard;
    case COMMAND_RETRY_STEP:
        return apply_retry_step;
    case COMMAND_DISCARD_STEP:
        return apply_discard_step;
    case COMMAND_TOPIC_PURGE:
        return apply_topic_purge;
    case COMMAND_REPLAY_START:
        return apply_replay_start;
    case COMMAND_REPLAY_STEP:
        return apply_replay_step;
    case COMMAND_REPLAY_CANCEL:
        return apply_replay_cancel;
    case COMMAND_TOKEN_CREATE:
        return apply_token_create;
    case COMMAND_TOKEN_REVOKE:
        return apply_token_revoke;
    case COMMAND_TRANSFER:
        return apply_transfer;
    }
    return NULL;
}

int apply_command(struct store *store, const struct command *command,
                  struct command_result *result, struct error *error)
{
    apply_function *function = find(command->type);
    if (function == NULL)
        return error_set(error, ERR_VERSION, "command of unknown type %u",
                         command->type);
    return command->author.who.length == 0
               ? function(store, command, result, error)
               : audit_apply(store, command, function, result, error);
}
