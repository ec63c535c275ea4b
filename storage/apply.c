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
    /* Formats whose meaning comes with the next steps. */
    case COMMAND_TOPIC_UPDATE:
    case COMMAND_TOPIC_DELETE:
    case COMMAND_PUBLISHER_UPDATE:
    case COMMAND_CIRCUIT:
    case COMMAND_RELEASE:
    case COMMAND_EXPIRE:
    case COMMAND_UNPARK:
    case COMMAND_RETRY:
    case COMMAND_DISCARD:
    case COMMAND_RETRY_STEP:
    case COMMAND_DISCARD_STEP:
    case COMMAND_TOPIC_PURGE:
    case COMMAND_REPLAY_START:
    case COMMAND_REPLAY_STEP:
    case COMMAND_REPLAY_CANCEL:
        break;
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
    return function(store, command, result, error);
}
