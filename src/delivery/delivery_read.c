#include "delivery_read.h"

#include "base/bounds.h"

int delivery_read_run(const struct delivery_read *read, struct view *view,
                      struct arena *arena, struct feed_item **ret_items,
                      uint32_t *ret_count, uint64_t *ret_next_due_ms,
                      struct error *error)
{
    switch (read->kind) {
    case DELIVERY_FEED:
        return query_feed(view, read->topic_id, read->from, read->count,
                          BOUND_FEED_BYTES, arena, ret_items, ret_count, error);
    case DELIVERY_DUE:
        return query_due(view, read->publisher_id, read->due_ms, read->count,
                         BOUND_FEED_BYTES, arena, ret_items, ret_count,
                         ret_next_due_ms, error);
    case DELIVERY_LOAD:
        return query_positions(view, read->topic_id, read->positions,
                               read->count, arena, ret_items, ret_count, error);
    }
    return error_set(error, ERR_INVALID, "no such read");
}
