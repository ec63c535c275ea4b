/* audit.h - who changed what: the rows of `audit`, one a change.
 *
 * A row is written by apply, in the transaction of the change and only when
 * there was one, from a command that is signed (command.h). It keeps two
 * pictures of what was changed: as it was before and as it was behind the
 * command, each in the format of the row that it was, with every secret
 * replaced by "***". Empty: it was not there.
 *
 *     kind       picture
 *     TOPIC      the topic's row
 *     PUBLISHER  backlog u64, the publisher's row
 *     MESSAGE    {publisher u32, state u8} of each delivery
 *     REPLAY     the replay's row
 *     TOKEN      the token's row, without its digest
 *     LEADER     node u32
 *
 * What retention removes of a topic is counted in one row an hour, of which
 * the author is "system"; its second picture is the count, u64.
 *
 * At most BOUND_AUDIT_ROWS are kept, for BOUND_AUDIT_DAYS of the log's clock:
 * each new row removes what is beyond that, a few at a time.
 * Thread: any; plain data. */
#ifndef POSTOFFICE_STORAGE_AUDIT_H
#define POSTOFFICE_STORAGE_AUDIT_H

#include "base/codec.h"
#include "storage/model.h"

/* Numbers in the store never change. */
#define AUDIT_ACTIONS(X)                                                       \
    X(AUDIT_TOPIC_CREATE, 1, "topic.create")                                   \
    X(AUDIT_TOPIC_CHANGE, 2, "topic.change")                                   \
    X(AUDIT_TOPIC_DELETE, 3, "topic.delete")                                   \
    X(AUDIT_TOPIC_EXPIRE, 4, "topic.expire")                                   \
    X(AUDIT_PUBLISHER_CREATE, 5, "publisher.create")                           \
    X(AUDIT_PUBLISHER_CHANGE, 6, "publisher.change")                           \
    X(AUDIT_PUBLISHER_DELETE, 7, "publisher.delete")                           \
    X(AUDIT_PUBLISHER_PAUSE, 8, "publisher.pause")                             \
    X(AUDIT_PUBLISHER_RESUME, 9, "publisher.resume")                           \
    X(AUDIT_PUBLISHER_ROTATE, 10, "publisher.rotate-secret")                   \
    X(AUDIT_MESSAGE_RETRY, 11, "message.retry")                                \
    X(AUDIT_MESSAGE_DISCARD, 12, "message.discard")                            \
    X(AUDIT_REPLAY_START, 13, "replay.start")                                  \
    X(AUDIT_REPLAY_CANCEL, 14, "replay.cancel")                                \
    X(AUDIT_TOKEN_CREATE, 15, "token.create")                                  \
    X(AUDIT_TOKEN_REVOKE, 16, "token.revoke")                                  \
    X(AUDIT_CLUSTER_TRANSFER, 17, "cluster.transfer")
enum audit_action {
#define AUDIT_ENUM(name, number, text) name = (number),
    AUDIT_ACTIONS(AUDIT_ENUM)
#undef AUDIT_ENUM
};
enum { AUDIT_ACTION_LAST = AUDIT_CLUSTER_TRANSFER };
const char *audit_action_text(enum audit_action action);

enum audit_kind {
    AUDIT_OF_TOPIC = 1,
    AUDIT_OF_PUBLISHER = 2,
    AUDIT_OF_MESSAGE = 3,
    AUDIT_OF_REPLAY = 4,
    AUDIT_OF_TOKEN = 5,
    AUDIT_OF_LEADER = 6,
};
/* What the action is about. */
enum audit_kind audit_kind_of(enum audit_action action);
/* The action that a command of this type is, if it may be signed; a pause may
 * be a resume, and a change a rotation. */
bool audit_action_of(uint8_t command_type, enum audit_action *ret_action);

struct audit_row {
    uint64_t time_ms; /* The log's clock. */
    enum audit_action action;
    uint64_t subject_id;
    struct slice subject_name; /* A topic's, a token's. */
    struct slice who;
    struct slice request_id;
    struct slice before; /* Pictures. */
    struct slice after;
};
void audit_row_encode(struct encoder *out, const struct audit_row *row);
/* Borrows. */
int audit_row_decode(struct slice content, struct audit_row *ret_row);

/* The subject as text, "publisher/7" or "topic/orders". */
enum { AUDIT_SUBJECT_SIZE = 288 };
struct slice audit_subject(const struct audit_row *row,
                           char text[AUDIT_SUBJECT_SIZE]);

#endif
