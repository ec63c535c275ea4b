/* Who may call, and who changed what. */
#include "base/bounds.h"
#include "storage/command.h"
#include "storage/query.h"
#include "storage/view.h"

/* ---- Tokens ---- */

static int token_get(struct view *view, uint32_t id, struct arena *arena,
                     struct token *ret_token, struct error *error)
{
    struct key key = key_of_u32(id);
    struct slice content;
    int rc = record_get(&view->transaction, DATABASE_TOKEN, key_slice(&key),
                        &content, error);
    if (rc == 0)
        rc = token_row_decode(id, content, ret_token);
    if (rc != 0)
        return record_error(error, rc, DATABASE_TOKEN, key_slice(&key));
    ret_token->name = arena_copy(arena, ret_token->name);
    ret_token->topics = arena_copy(arena, ret_token->topics);
    return 0;
}

int query_tokens(struct view *view, uint32_t after_id, uint32_t limit,
                 struct arena *arena, struct token **ret_tokens,
                 uint32_t *ret_count, struct error *error)
{
    uint32_t *ids;
    uint32_t count;
    int rc = view_ids(view, DATABASE_TOKEN, after_id, limit, arena, &ids,
                      &count, error);
    if (rc != 0)
        return rc;
    struct token *tokens = arena_take(arena, (count + 1) * sizeof *tokens);
    for (uint32_t i = 0; rc == 0 && i < count; i++)
        rc = token_get(view, ids[i], arena, &tokens[i], error);
    *ret_tokens = tokens;
    *ret_count = count;
    return rc;
}

/* ---- Pictures ---- */

static int topic_decode(struct slice bytes, uint64_t id, struct topic *topic)
{
    struct topic_row row;
    int rc = topic_row_decode(bytes, &row);
    if (rc == 0)
        rc = topic_options_decode(row.options, &topic->options);
    if (rc != 0)
        return rc;
    topic->id = (uint32_t)id;
    topic->created_ms = row.created_ms;
    topic->messages = row.messages;
    topic->gone = row.gone;
    topic->scheduled = row.scheduled;
    topic->bytes = row.bytes;
    topic->publishers = row.publishers;
    return 0;
}

static int publisher_decode(struct slice bytes, uint64_t id,
                            struct audit_picture *picture)
{
    struct publisher_row row;
    struct decoder in = decoder_of(bytes);
    picture->backlog = decoder_u64(&in);
    int rc = publisher_row_decode(decoder_bytes(&in, decoder_left(&in)), &row);
    if (rc != 0)
        return rc;
    picture->publisher = (struct publisher){.id = (uint32_t)id,
                                            .topic_id = row.topic_id,
                                            .options = row.options,
                                            .created_ms = row.created_ms,
                                            .updated_ms = row.updated_ms,
                                            .paused = row.paused,
                                            .pause_reason = row.pause_reason,
                                            .paused_ms = row.paused_ms,
                                            .paused_by = row.paused_by};
    return 0;
}

static int number_decode(struct slice bytes, enum audit_action action,
                         struct audit_picture *picture)
{
    struct decoder in = decoder_of(bytes);
    if (action == AUDIT_TOPIC_EXPIRE)
        picture->removed = decoder_u64(&in);
    else
        picture->node_id = decoder_u32(&in);
    return decoder_done(&in) ? 0 : ERR_CORRUPT;
}

static int picture_decode(const struct audit_row *row, struct slice bytes,
                          struct audit_picture *picture)
{
    *picture = (struct audit_picture){.there = bytes.length > 0};
    if (!picture->there)
        return 0;
    if (row->action == AUDIT_TOPIC_EXPIRE)
        return number_decode(bytes, row->action, picture);
    switch (audit_kind_of(row->action)) {
    case AUDIT_OF_TOPIC:
        return topic_decode(bytes, row->subject_id, &picture->topic);
    case AUDIT_OF_PUBLISHER:
        return publisher_decode(bytes, row->subject_id, picture);
    case AUDIT_OF_MESSAGE:
        picture->deliveries = bytes;
        return 0;
    case AUDIT_OF_REPLAY:
        return replay_row_decode((uint32_t)row->subject_id, bytes,
                                 &picture->replay);
    case AUDIT_OF_TOKEN:
        return token_row_decode((uint32_t)row->subject_id, bytes,
                                &picture->token);
    case AUDIT_OF_LEADER:
        return number_decode(bytes, row->action, picture);
    }
    return ERR_CORRUPT;
}

/* ---- Entries ---- */

static bool is_asked(const struct audit_query *query,
                     const struct audit_row *row)
{
    char text[AUDIT_SUBJECT_SIZE];
    return (query->who.length == 0 || slice_equal(query->who, row->who)) &&
           (query->action.length == 0 ||
            slice_is(query->action, audit_action_text(row->action))) &&
           (query->subject.length == 0 ||
            slice_equal(query->subject, audit_subject(row, text)));
}

/* The record is copied: what the entry says of it borrows from the copy. */
static int entry_take(const struct cursor *cursor, struct arena *arena,
                      struct audit_entry *entry, struct error *error)
{
    entry->id = get_key_u64(cursor->key.data);
    int rc = audit_row_decode(arena_copy(arena, cursor->content), &entry->row);
    if (rc == 0)
        rc = picture_decode(&entry->row, entry->row.before, &entry->before);
    if (rc == 0)
        rc = picture_decode(&entry->row, entry->row.after, &entry->after);
    return rc == 0 ? 0 : record_error(error, rc, DATABASE_AUDIT, cursor->key);
}

/* One record; the page's `next` is the last that was looked at. */
static int look(const struct cursor *cursor, const struct audit_query *query,
                struct arena *arena, struct audit_page *page,
                struct error *error)
{
    struct audit_row row;
    if (cursor->key.length != sizeof(uint64_t))
        return record_error(error, ERR_CORRUPT, DATABASE_AUDIT, cursor->key);
    int rc = audit_row_decode(cursor->content, &row);
    if (rc != 0)
        return record_error(error, rc, DATABASE_AUDIT, cursor->key);
    page->next = get_key_u64(cursor->key.data);
    if (!is_asked(query, &row))
        return 0;
    return entry_take(cursor, arena, &page->entries[page->count++], error);
}

int query_audit(struct view *view, const struct audit_query *query,
                struct arena *arena, struct audit_page *ret_page,
                struct error *error)
{
    struct cursor cursor = {0};
    struct audit_page page = {0};
    uint64_t last = query->before == 0 ? UINT64_MAX : query->before - 1;
    struct key key = key_of_u64(last);
    page.entries = arena_take(arena, query->limit * sizeof *page.entries + 1);
    int rc = cursor_open(&view->transaction, DATABASE_AUDIT, &cursor, error);
    if (rc == 0)
        rc = cursor_seek_back(&cursor, key_slice(&key), error);
    for (uint32_t looked = 0;
         rc == 0 && page.count < query->limit && looked < BOUND_READ_RECORDS;
         looked++) {
        rc = look(&cursor, query, arena, &page, error);
        if (rc == 0)
            rc = cursor_previous(&cursor, error);
    }
    cursor_close(&cursor);
    if (rc == ERR_END) {
        page.next = 0;
        rc = 0;
    }
    *ret_page = page;
    return rc;
}
