/* attempt.h - one try to deliver, as bytes; and the list of tries that is kept
 * of a message.
 *
 * An attempt stands in commands and in rows in the same layout:
 *
 *     number u32 | class u8 | flags u8 | status u16 | started_ms u64 |
 *     duration_ms u32 | response length u32 | response
 *
 * Of a message's attempts the first and the last nine are kept; of the last
 * failure's answer BOUND_RESPONSE_KEPT bytes, of earlier ones
 * BOUND_RESPONSE_KEPT_OLD, of a success none.
 * Thread: any. */
#ifndef POSTOFFICE_STORAGE_ATTEMPT_H
#define POSTOFFICE_STORAGE_ATTEMPT_H

#include "base/codec.h"
#include "storage/model.h"

void attempt_encode(struct encoder *out, const struct attempt *attempt);
/* Borrows. 0, ERR_CORRUPT, or ERR_VERSION for a class or flag that a newer
 * program wrote. */
int attempt_decode(struct decoder *in, struct attempt *ret_attempt);

/* A circuit, in a command and in `hot`: command_control.c. */
void circuit_encode(struct encoder *out, const struct circuit *circuit);
int circuit_decode(struct decoder *in, struct circuit *ret_circuit);

/* Whether a number from outside is one of enum attempt_class. */
bool attempt_class_known(uint8_t class);

struct history {
    struct attempt attempts[ATTEMPTS_KEPT]; /* Oldest first. */
    uint32_t count;
};

/* Adds the newest attempt by the rules above; borrows its response. */
void history_add(struct history *history, const struct attempt *attempt);
void history_encode(struct encoder *out, const struct history *history);
int history_decode(struct decoder *in, struct history *ret_history);

#endif
