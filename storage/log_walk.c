/* A run holds the positions from its key on; where the next one begins is not
 * written anywhere. So the run that holds a position is the last one that
 * begins at or before it, unless that ends too early. */
#include "storage/log_walk.h"

/* Takes in the run that the cursor stands on. */
static int enter_run(struct log_walk *walk, struct error *error)
{
    uint32_t topic_id;
    uint64_t first;
    int rc = key_read_position(walk->cursor.key, &topic_id, &first);
    if (rc == 0 && topic_id != walk->topic_id)
        return ERR_END;
    if (rc == 0)
        rc = log_run_decode(first, walk->cursor.content, &walk->run);
    if (rc != 0)
        return record_error(error, rc, DATABASE_LOG, walk->cursor.key);
    walk->index = log_run_find(&walk->run, walk->from);
    return 0;
}

static int next_run(struct log_walk *walk, struct error *error)
{
    int rc = cursor_next(&walk->cursor, error);
    return rc == 0 ? enter_run(walk, error) : rc;
}

/* The position may lie inside the run that begins before it, or else in the
 * one behind that. */
static int seek(struct log_walk *walk, struct error *error)
{
    struct key key = key_of_position(walk->topic_id, walk->from);
    int rc = cursor_seek_back(&walk->cursor, key_slice(&key), error);
    if (rc == 0)
        rc = enter_run(walk, error);
    if (rc == 0 && walk->index < walk->run.count)
        return 0;
    if (rc != 0 && rc != ERR_END)
        return rc;
    rc = cursor_seek(&walk->cursor, key_slice(&key), error);
    return rc == 0 ? enter_run(walk, error) : rc;
}

int log_walk_open(struct transaction *transaction, uint32_t topic_id,
                  uint64_t from, struct log_walk *walk, struct error *error)
{
    *walk = (struct log_walk){.topic_id = topic_id, .from = from};
    int rc = cursor_open(transaction, DATABASE_LOG, &walk->cursor, error);
    return rc == 0 ? log_walk_skip(walk, from, error) : rc;
}

void log_walk_close(struct log_walk *walk)
{
    cursor_close(&walk->cursor);
}

int log_walk_skip(struct log_walk *walk, uint64_t from, struct error *error)
{
    if (walk->ended)
        return 0;
    walk->from = from;
    if (walk->run.count > 0) {
        walk->index = log_run_find(&walk->run, from);
        if (walk->index < walk->run.count)
            return 0;
    }
    int rc = seek(walk, error);
    if (rc != ERR_END)
        return rc;
    walk->ended = true;
    return 0;
}

int log_walk_next(struct log_walk *walk, struct log_pair *ret_pair,
                  struct error *error)
{
    while (!walk->ended && walk->index == walk->run.count) {
        int rc = next_run(walk, error);
        if (rc != 0 && rc != ERR_END)
            return rc;
        walk->ended = rc == ERR_END;
    }
    if (walk->ended)
        return ERR_END;
    *ret_pair = log_run_pair(&walk->run, walk->index++);
    return 0;
}
