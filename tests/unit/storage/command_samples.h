/* command_samples.h - one command of each kind, all of its fields filled. */
#ifndef POSTOFFICE_TESTS_COMMAND_SAMPLES_H
#define POSTOFFICE_TESTS_COMMAND_SAMPLES_H

#include "storage/command.h"
#include "storage/idempotency.h"

/* In the order in which they came into the project. */
enum sample {
    SAMPLE_INIT,
    SAMPLE_TOPIC_CREATE,
    SAMPLE_PUBLISHER_CREATE,
    SAMPLE_PUBLISHER_DELETE,
    SAMPLE_PAUSE,
    SAMPLE_MESSAGES,
    SAMPLE_GRANT,
    SAMPLE_OUTCOMES,
    SAMPLE_INTENT,
    SAMPLE_WITHDRAW,
    SAMPLE_TAKEOVER,
    SAMPLE_PURGE,
    SAMPLE_MESSAGES_ONCE,
    SAMPLE_TOPIC_UPDATE,
    SAMPLE_TOPIC_DELETE,
    SAMPLE_PUBLISHER_UPDATE,
    SAMPLE_CIRCUIT,
    SAMPLE_RELEASE,
    SAMPLE_EXPIRE,
    SAMPLE_UNPARK,
    SAMPLE_RETRY,
    SAMPLE_DISCARD,
    SAMPLE_RETRY_STEP,
    SAMPLE_DISCARD_STEP,
    SAMPLE_TOPIC_PURGE,
    SAMPLE_REPLAY_START,
    SAMPLE_REPLAY_STEP,
    SAMPLE_REPLAY_CANCEL,
    SAMPLE_TOKEN_CREATE,
    SAMPLE_TOKEN_REVOKE,
    SAMPLE_TRANSFER,
    SAMPLE_SIGNED,
    SAMPLES
};

extern const struct message sample_message;     /* Of SAMPLE_MESSAGES. */
extern const struct idempotency sample_request; /* Of SAMPLE_MESSAGES_ONCE. */

/* Appends it. */
void encode_sample(struct encoder *out, enum sample sample);
/* The first command of what was encoded. */
struct command first_command(const struct encoder *out);
/* Decodes the body by its type, as apply does: 0, ERR_CORRUPT, ERR_VERSION. */
int decode_body(const struct command *command, struct arena *arena);

#endif
