/* A run is verified as a whole when the cursor comes to it, so that it stays
 * at hand until its last number was taken. */
#include "storage/search_stream.h"

#include <assert.h>

/* ---- One stream ---- */

/* The cursor on the last key below the prefix and `before`. */
static int seek_below(struct stream *stream, uint64_t before,
                      uint64_t *ret_number, struct error *error)
{
    struct key key = stream->prefix;
    struct slice prefix = key_slice(&stream->prefix);
    key_u64(&key, before - 1);
    int rc = cursor_seek_back(&stream->cursor, key_slice(&key), error);
    if (rc == 0 && !cursor_within(&stream->cursor, prefix))
        return ERR_END;
    if (rc == 0 && stream->cursor.key.length != prefix.length + 8)
        return record_error(error, ERR_CORRUPT, stream->cursor.database,
                            stream->cursor.key);
    if (rc == 0)
        *ret_number = get_key_u64(stream->cursor.key.data + prefix.length);
    return rc;
}

static int run_decode(struct stream *stream, uint64_t first)
{
    if (stream->kind == STREAM_TERM)
        return term_run_decode(first, stream->cursor.content,
                               &stream->run.term);
    return stream->kind == STREAM_LOG
               ? log_run_decode(first, stream->cursor.content, &stream->run.log)
               : message_run_decode(stream->cursor.content,
                                    &stream->run.messages);
}

/* The run that holds what is next below `before`, at hand. */
static int run_below(struct stream *stream, uint64_t before,
                     struct error *error)
{
    uint64_t first = 0;
    if (stream->run_first != 0 && stream->run_first < before)
        return 0;
    stream->run_first = 0;
    int rc = seek_below(stream, before, &first, error);
    if (rc != 0)
        return rc;
    rc = run_decode(stream, first);
    if (rc != 0 || first == 0)
        return record_error(error, rc != 0 ? rc : ERR_CORRUPT,
                            stream->cursor.database, stream->cursor.key);
    stream->run_first = first;
    return 0;
}

/* What was removed from a run left an empty place; never all of them. */
static int bodies_step(struct stream *stream, uint64_t before,
                       struct error *error)
{
    int rc;
    while ((rc = run_below(stream, before, error)) == 0) {
        const struct message_run *run = &stream->run.messages;
        uint64_t first = stream->run_first;
        uint64_t end =
            first + run->count < before ? first + run->count : before;
        while (end > first &&
               message_run_record(run, (uint32_t)(end - 1 - first)).length == 0)
            end--;
        if (end > first) {
            stream->number = end - 1;
            return 0;
        }
        before = first;
        if (before <= 1)
            return ERR_END;
    }
    return rc;
}

static int log_step(struct stream *stream, uint64_t before, struct error *error)
{
    int rc = run_below(stream, before, error);
    if (rc != 0)
        return rc;
    const struct log_run *run = &stream->run.log;
    struct log_pair pair = log_run_pair(run, log_run_find(run, before) - 1);
    stream->number = pair.position;
    stream->hollow = pair.id != pair.position;
    return 0;
}

static int term_step(struct stream *stream, uint64_t before,
                     struct error *error)
{
    int rc = run_below(stream, before, error);
    if (rc == 0)
        stream->number = term_run_below(&stream->run.term, before);
    return rc;
}

static int open_step(struct stream *stream, uint64_t before)
{
    for (uint32_t i = stream->hot->open_count; i > 0; i--)
        if (stream->hot->open[i - 1].position < before) {
            stream->number = stream->hot->open[i - 1].position;
            return 0;
        }
    return ERR_END;
}

static int kind_step(struct stream *stream, uint64_t before,
                     struct error *error)
{
    switch (stream->kind) {
    case STREAM_BODIES:
        return bodies_step(stream, before, error);
    case STREAM_LOG:
        return log_step(stream, before, error);
    case STREAM_NUMBERS:
        return seek_below(stream, before, &stream->number, error);
    case STREAM_OPEN:
        return open_step(stream, before);
    case STREAM_TERM:
        return term_step(stream, before, error);
    }
    return ERR_END;
}

static int stream_step(struct stream *stream, uint64_t before,
                       struct error *error)
{
    int rc = ERR_END;
    stream->number = 0;
    stream->hollow = false;
    if (before > stream->ceiling && stream->ceiling < UINT64_MAX)
        before = stream->ceiling + 1;
    if (before > stream->floor && before > 1)
        rc = kind_step(stream, before, error);
    if (rc == ERR_END || stream->number < stream->floor)
        stream->number = 0;
    return rc == ERR_END ? 0 : rc;
}

/* ---- The heap ---- */

static void sink(struct streams *streams, uint32_t at)
{
    struct stream **heap = streams->heap;
    for (;;) {
        uint32_t most = at;
        for (uint32_t child = 2 * at + 1; child <= 2 * at + 2; child++)
            if (child < streams->count &&
                heap[child]->number > heap[most]->number)
                most = child;
        if (most == at)
            return;
        struct stream *stream = heap[at];
        heap[at] = heap[most];
        heap[most] = stream;
        at = most;
    }
}

static void rise(struct streams *streams, uint32_t at)
{
    struct stream **heap = streams->heap;
    while (at > 0 && heap[(at - 1) / 2]->number < heap[at]->number) {
        struct stream *stream = heap[at];
        heap[at] = heap[(at - 1) / 2];
        heap[(at - 1) / 2] = stream;
        at = (at - 1) / 2;
    }
}

static void drop_top(struct streams *streams)
{
    cursor_close(&streams->heap[0]->cursor);
    streams->heap[0] = streams->heap[--streams->count];
    sink(streams, 0);
}

static void make_room(struct streams *streams, struct arena *arena)
{
    if (streams->count < streams->capacity)
        return;
    uint32_t capacity = streams->capacity == 0 ? 8 : 2 * streams->capacity;
    struct stream **heap = arena_take(arena, capacity * sizeof *heap);
    for (uint32_t i = 0; i < streams->count; i++)
        heap[i] = streams->heap[i];
    streams->heap = heap;
    streams->capacity = capacity;
}

int streams_add(struct streams *streams, struct transaction *transaction,
                struct arena *arena, const struct stream *stream,
                enum database database, uint64_t before, struct error *error)
{
    if (stream->floor > stream->ceiling)
        return 0;
    struct stream *kept = arena_take(arena, sizeof *kept);
    int rc = 0;
    *kept = *stream;
    if (kept->kind != STREAM_OPEN)
        rc = cursor_open(transaction, database, &kept->cursor, error);
    if (rc == 0)
        rc = stream_step(kept, before, error);
    if (rc != 0 || kept->number == 0) {
        cursor_close(&kept->cursor);
        return rc;
    }
    make_room(streams, arena);
    streams->heap[streams->count++] = kept;
    rise(streams, streams->count - 1);
    return 0;
}

int streams_step(struct streams *streams, struct error *error)
{
    assert(streams->count > 0);
    uint64_t number = streams->heap[0]->number;
    while (streams->count > 0 && streams->heap[0]->number == number) {
        int rc = stream_step(streams->heap[0], number, error);
        if (rc != 0)
            return rc;
        if (streams->heap[0]->number == 0)
            drop_top(streams);
        else
            sink(streams, 0);
    }
    return 0;
}

void streams_close(struct streams *streams)
{
    for (uint32_t i = 0; i < streams->count; i++)
        cursor_close(&streams->heap[i]->cursor);
    streams->count = 0;
}
