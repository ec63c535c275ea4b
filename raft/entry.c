#include "raft/entry.h"

#include <assert.h>
#include <xxhash.h>

uint64_t entry_checksum(struct slice payload)
{
    return XXH3_64bits(payload.data, payload.length);
}

void entry_ref(const struct entry *entry)
{
    if (entry->buffer != NULL)
        buffer_ref(entry->buffer);
}

void entry_unref(struct entry *entry)
{
    buffer_unref(entry->buffer);
    entry->buffer = NULL;
    entry->payload = slice_of(NULL, 0);
}

struct buffer *entry_copy(struct slice bytes)
{
    struct buffer *buffer = buffer_new(bytes.length);
    if (buffer == NULL)
        return NULL;
    if (bytes.length > 0)
        memcpy(buffer->data, bytes.data, bytes.length);
    buffer->length = bytes.length;
    return buffer;
}

struct log_base log_base_after(const struct log_base *base,
                               const struct entry *entry)
{
    struct log_base after = *base;
    after.index = entry->index;
    after.term = entry->term;
    if (entry->type == ENTRY_CHANGE) {
        assert(entry->payload.length == entry->buffer->length);
        after.configuration_index = entry->index;
        after.configuration = entry->buffer;
    }
    return after;
}
