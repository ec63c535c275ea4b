#include "storage/position.h"

#include "storage/body.h"

int position_of(struct transaction *transaction, const struct message *message,
                uint64_t *ret_position, struct error *error)
{
    struct key key = key_of_u64(message->id);
    struct slice content;
    *ret_position = message->id;
    if (!message_is_later(message))
        return 0;
    *ret_position = 0;
    int rc = record_get(transaction, DATABASE_RELEASED, key_slice(&key),
                        &content, error);
    if (rc == 0 && number_row_decode(content, ret_position) != 0)
        rc = record_error(error, ERR_CORRUPT, DATABASE_RELEASED,
                          key_slice(&key));
    return rc == ERR_NOT_FOUND ? 0 : rc;
}

int message_place(struct transaction *transaction, uint64_t id,
                  struct message_place *ret_place, struct error *error)
{
    struct body_reader reader = {0};
    struct message message;
    int rc = body_reader_open(transaction, &reader, error);
    if (rc == 0)
        rc = body_get(&reader, id, &message, NULL, error);
    if (rc == 0) {
        ret_place->topic_id = message.topic_id;
        ret_place->key = key_hash(message.key);
        rc = position_of(transaction, &message, &ret_place->position, error);
    }
    body_reader_close(&reader);
    return rc;
}
