#include "storage/audit.h"

#include "base/error.h"
#include "storage/command.h"

#include <inttypes.h>
#include <stdio.h>

const char *audit_action_text(enum audit_action action)
{
    switch (action) {
#define ACTION_CASE(name, number, text)                                        \
    case name:                                                                 \
        return text;
        AUDIT_ACTIONS(ACTION_CASE)
#undef ACTION_CASE
    }
    return "unknown";
}

enum audit_kind audit_kind_of(enum audit_action action)
{
    switch (action) {
    case AUDIT_TOPIC_CREATE:
    case AUDIT_TOPIC_CHANGE:
    case AUDIT_TOPIC_DELETE:
    case AUDIT_TOPIC_EXPIRE:
        break;
    case AUDIT_PUBLISHER_CREATE:
    case AUDIT_PUBLISHER_CHANGE:
    case AUDIT_PUBLISHER_DELETE:
    case AUDIT_PUBLISHER_PAUSE:
    case AUDIT_PUBLISHER_RESUME:
    case AUDIT_PUBLISHER_ROTATE:
        return AUDIT_OF_PUBLISHER;
    case AUDIT_MESSAGE_RETRY:
    case AUDIT_MESSAGE_DISCARD:
        return AUDIT_OF_MESSAGE;
    case AUDIT_REPLAY_START:
    case AUDIT_REPLAY_CANCEL:
        return AUDIT_OF_REPLAY;
    case AUDIT_TOKEN_CREATE:
    case AUDIT_TOKEN_REVOKE:
        return AUDIT_OF_TOKEN;
    case AUDIT_CLUSTER_TRANSFER:
        return AUDIT_OF_LEADER;
    }
    return AUDIT_OF_TOPIC;
}

bool audit_action_of(uint8_t command_type, enum audit_action *ret_action)
{
    static const enum audit_action actions[] = {
        [COMMAND_TOPIC_CREATE] = AUDIT_TOPIC_CREATE,
        [COMMAND_TOPIC_UPDATE] = AUDIT_TOPIC_CHANGE,
        [COMMAND_TOPIC_DELETE] = AUDIT_TOPIC_DELETE,
        [COMMAND_PUBLISHER_CREATE] = AUDIT_PUBLISHER_CREATE,
        [COMMAND_PUBLISHER_UPDATE] = AUDIT_PUBLISHER_CHANGE,
        [COMMAND_PUBLISHER_DELETE] = AUDIT_PUBLISHER_DELETE,
        [COMMAND_PUBLISHER_PAUSE] = AUDIT_PUBLISHER_PAUSE,
        [COMMAND_RETRY] = AUDIT_MESSAGE_RETRY,
        [COMMAND_DISCARD] = AUDIT_MESSAGE_DISCARD,
        [COMMAND_REPLAY_START] = AUDIT_REPLAY_START,
        [COMMAND_REPLAY_CANCEL] = AUDIT_REPLAY_CANCEL,
        [COMMAND_TOKEN_CREATE] = AUDIT_TOKEN_CREATE,
        [COMMAND_TOKEN_REVOKE] = AUDIT_TOKEN_REVOKE,
        [COMMAND_TRANSFER] = AUDIT_CLUSTER_TRANSFER,
    };
    if (command_type >= sizeof actions / sizeof *actions ||
        actions[command_type] == 0)
        return false;
    *ret_action = actions[command_type];
    return true;
}

void audit_row_encode(struct encoder *out, const struct audit_row *row)
{
    encoder_u64(out, row->time_ms);
    encoder_u8(out, (uint8_t)row->action);
    encoder_u64(out, row->subject_id);
    encoder_string(out, row->subject_name);
    encoder_string(out, row->who);
    encoder_string(out, row->request_id);
    encoder_string(out, row->before);
    encoder_string(out, row->after);
}

int audit_row_decode(struct slice content, struct audit_row *ret_row)
{
    struct decoder in = decoder_of(content);
    struct audit_row row = {.time_ms = decoder_u64(&in)};
    uint8_t action = decoder_u8(&in);
    row.subject_id = decoder_u64(&in);
    row.subject_name = decoder_string(&in);
    row.who = decoder_string(&in);
    row.request_id = decoder_string(&in);
    row.before = decoder_string(&in);
    row.after = decoder_string(&in);
    if (!decoder_done(&in) || action == 0)
        return ERR_CORRUPT;
    if (action > AUDIT_ACTION_LAST)
        return ERR_VERSION;
    row.action = (enum audit_action)action;
    *ret_row = row;
    return 0;
}

struct slice audit_subject(const struct audit_row *row,
                           char text[AUDIT_SUBJECT_SIZE])
{
    static const char *const kinds[] = {
        [AUDIT_OF_TOPIC] = "topic",     [AUDIT_OF_PUBLISHER] = "publisher",
        [AUDIT_OF_MESSAGE] = "message", [AUDIT_OF_REPLAY] = "replay",
        [AUDIT_OF_TOKEN] = "token",     [AUDIT_OF_LEADER] = "node"};
    const char *kind = kinds[audit_kind_of(row->action)];
    int length =
        row->subject_name.length > 0
            ? snprintf(text, AUDIT_SUBJECT_SIZE, "%s/%.*s", kind,
                       (int)row->subject_name.length, row->subject_name.data)
            : snprintf(text, AUDIT_SUBJECT_SIZE, "%s/%" PRIu64, kind,
                       row->subject_id);
    return slice_of(text, (size_t)length < AUDIT_SUBJECT_SIZE
                              ? (size_t)length
                              : AUDIT_SUBJECT_SIZE - 1);
}
