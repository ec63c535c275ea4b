#include "letter.h"

#include <assert.h>
#include <stdlib.h>

static struct slice keep(uint8_t **to, struct slice bytes)
{
    struct slice kept = slice_of(*to, bytes.length);
    if (bytes.length > 0)
        memcpy(*to, bytes.data, bytes.length);
    *to += bytes.length;
    return kept;
}

struct letter *letter_new(uint64_t position, const struct message *message)
{
    size_t size = sizeof(struct letter) + message->key.length +
                  message->traceparent.length + message->origin.length +
                  message->attributes.length + message->payload.length;
    struct letter *letter = malloc(size);
    if (letter == NULL)
        return NULL;
    letter->references = 1;
    letter->position = position;
    letter->size = size;
    letter->message = *message;
    uint8_t *to = letter->bytes;
    letter->message.key = keep(&to, message->key);
    letter->message.traceparent = keep(&to, message->traceparent);
    letter->message.origin = keep(&to, message->origin);
    letter->message.attributes = keep(&to, message->attributes);
    letter->message.payload = keep(&to, message->payload);
    return letter;
}

struct letter *letter_ref(struct letter *letter)
{
    assert(letter->references > 0);
    letter->references++;
    return letter;
}

void letter_unref(struct letter *letter)
{
    if (letter == NULL)
        return;
    assert(letter->references > 0);
    if (--letter->references == 0)
        free(letter);
}
