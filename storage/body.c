/* Messages in runs in LMDB. Bytes are copied once, from the entry to the page
 * that LMDB will write, and hashed there; a reader verifies a run once and
 * then takes message after message from it. */
#include "storage/body.h"

#include "storage/command.h"

/* How many of the pieces make one run. A message larger than a run's bytes
 * has one to itself. */
static uint32_t run_fit(const struct body_piece *pieces, size_t count,
                        size_t *ret_bytes)
{
    size_t bytes = pieces[0].record.length;
    uint32_t fit = 1;
    while (fit < count && fit < RUN_MESSAGES_MAX &&
           bytes + pieces[fit].record.length <= RUN_MESSAGE_BYTES)
        bytes += pieces[fit++].record.length;
    *ret_bytes = bytes;
    return fit;
}

static int run_put(struct transaction *transaction, uint64_t first_id,
                   const struct body_piece *pieces, uint32_t count,
                   size_t bytes, struct error *error)
{
    struct key key = key_of_u64(first_id);
    size_t header = message_run_header_size(count);
    uint8_t *content;
    int rc = record_reserve(transaction, DATABASE_MESSAGE, key_slice(&key),
                            header + bytes, &content, error);
    if (rc != 0)
        return rc;
    put_u32(content, count);
    uint8_t *end = content + message_run_header_size(0);
    size_t at = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint8_t *record = content + header + at;
        memcpy(record, pieces[i].record.data, pieces[i].record.length);
        put_u64(record, pieces[i].received_ms);
        at += pieces[i].record.length;
        put_u32(end, (uint32_t)at);
        end += sizeof(uint32_t);
    }
    record_seal(transaction, DATABASE_MESSAGE, key_slice(&key), content,
                header + bytes);
    return 0;
}

int body_put(struct transaction *transaction, uint64_t first_id,
             const struct body_piece *pieces, size_t count, struct error *error)
{
    while (count > 0) {
        size_t bytes;
        uint32_t fit = run_fit(pieces, count, &bytes);
        int rc = run_put(transaction, first_id, pieces, fit, bytes, error);
        if (rc != 0)
            return rc;
        first_id += fit;
        pieces += fit;
        count -= fit;
    }
    return 0;
}

/* ---- Runs ---- */

/* Makes the run that would hold the id the one at hand. */
static int find_run(struct body_reader *reader, uint64_t id,
                    struct error *error)
{
    struct key key = key_of_u64(id);
    reader->at_hand = false;
    int rc = cursor_seek_back(&reader->cursor, key_slice(&key), error);
    if (rc == ERR_END)
        return ERR_NOT_FOUND;
    if (rc != 0)
        return rc;
    struct slice found = reader->cursor.key;
    rc = found.length == key.length
             ? message_run_decode(reader->cursor.content, &reader->run)
             : ERR_CORRUPT;
    if (rc != 0)
        return record_error(error, rc, DATABASE_MESSAGE, found);
    reader->first_id = get_key_u64(found.data);
    reader->at_hand = true;
    return 0;
}

static bool holds(const struct body_reader *reader, uint64_t id)
{
    return reader->at_hand && id >= reader->first_id &&
           id - reader->first_id < reader->run.count;
}

/* ---- Removing ---- */

/* The run without the messages named: its places stay, empty. */
static uint64_t run_empty(const struct message_run *run, uint64_t first_id,
                          const uint64_t *ids, size_t count,
                          struct encoder *out, uint64_t *ret_left)
{
    uint64_t gone = 0;
    uint32_t end = 0;
    size_t at = 0;
    out->length = 0;
    encoder_u32(out, run->count);
    encoder_extend(out, message_run_header_size(run->count) - out->length);
    for (uint32_t i = 0; i < run->count; i++) {
        struct slice record = message_run_record(run, i);
        while (at < count && ids[at] < first_id + i)
            at++;
        if (at < count && ids[at] == first_id + i)
            gone += record.length;
        else
            encoder_bytes(out, record);
        end = (uint32_t)(out->length - message_run_header_size(run->count));
        put_u32(out->data + message_run_header_size(i), end);
    }
    *ret_left = end;
    return gone;
}

static int run_remove(struct transaction *transaction, struct encoder *scratch,
                      const struct body_reader *reader, const uint64_t *ids,
                      size_t count, uint64_t *bytes, struct error *error)
{
    struct key key = key_of_u64(reader->first_id);
    uint64_t left;
    uint64_t gone =
        run_empty(&reader->run, reader->first_id, ids, count, scratch, &left);
    *bytes += gone;
    if (gone == 0)
        return 0;
    if (left == 0)
        return record_delete(transaction, DATABASE_MESSAGE, key_slice(&key),
                             error);
    return record_put(transaction, DATABASE_MESSAGE, key_slice(&key),
                      encoder_slice(scratch), error);
}

int body_remove(struct transaction *transaction, struct encoder *scratch,
                const uint64_t *ids, size_t count, uint64_t *ret_bytes,
                struct error *error)
{
    uint64_t bytes = 0;
    size_t i = 0;
    int rc = 0;
    while (rc == 0 && i < count) {
        struct body_reader reader = {0};
        rc = body_reader_open(transaction, &reader, error);
        if (rc == 0)
            rc = find_run(&reader, ids[i], error);
        /* Nothing is put before the cursor is closed: what it borrows is
         * encoded by then. */
        cursor_close(&reader.cursor);
        if (rc == 0 && holds(&reader, ids[i]))
            rc = run_remove(transaction, scratch, &reader, ids + i, count - i,
                            &bytes, error);
        if (rc == ERR_NOT_FOUND)
            rc = 0;
        uint64_t end = reader.at_hand ? reader.first_id + reader.run.count : 0;
        do {
            i++;
        } while (i < count && ids[i] < end);
    }
    if (ret_bytes != NULL)
        *ret_bytes = bytes;
    return rc;
}

/* ---- Reading ---- */

int body_reader_open(struct transaction *transaction,
                     struct body_reader *reader, struct error *error)
{
    reader->at_hand = false;
    return cursor_open(transaction, DATABASE_MESSAGE, &reader->cursor, error);
}

void body_reader_close(struct body_reader *reader)
{
    cursor_close(&reader->cursor);
    reader->at_hand = false;
}

int body_get(struct body_reader *reader, uint64_t id, struct message *ret,
             struct slice *ret_record, struct error *error)
{
    if (!holds(reader, id)) {
        int rc = find_run(reader, id, error);
        if (rc != 0)
            return rc;
        if (!holds(reader, id))
            return ERR_NOT_FOUND;
    }
    struct slice record =
        message_run_record(&reader->run, (uint32_t)(id - reader->first_id));
    struct slice rest = record;
    if (record.length == 0) /* Removed, from among others. */
        return ERR_NOT_FOUND;
    ret->id = id;
    int rc = message_next(&rest, ret);
    if (rc == ERR_END || (rc == 0 && rest.length > 0))
        rc = ERR_CORRUPT;
    if (rc != 0)
        return record_error(error, rc, DATABASE_MESSAGE, reader->cursor.key);
    if (ret_record != NULL)
        *ret_record = record;
    return 0;
}
