/* A name seeds the hash of its value, and the kind that of the name: what is
 * indexed under one name is never found under another. */
#include "storage/search_term.h"

#include "base/bounds.h"
#include "storage/command.h"
#include "storage/search_field.h"

#include <xxhash.h>

enum { ITEM_SIZE = 4, HEADER_SIZE = 2 };

uint64_t term_hash(enum search_term_kind kind, struct slice name,
                   struct slice value)
{
    uint64_t seed =
        XXH3_64bits_withSeed(name.data, name.length, (uint64_t)kind);
    return XXH3_64bits_withSeed(value.data, value.length, seed);
}

/* ---- A message's terms ---- */

void term_fields_of(struct slice indexed_fields, struct arena *arena,
                    struct term_fields *ret_fields)
{
    struct slice pointer;
    ret_fields->count = 0;
    while (ret_fields->count < BOUND_INDEXED_FIELDS &&
           text_list_next(&indexed_fields, &pointer) == 0) {
        struct term_field *field = &ret_fields->fields[ret_fields->count];
        field->pointer = pointer;
        if (json_pointer_split(pointer, arena, BOUND_FILTER_DEPTH,
                               &field->tokens, &field->token_count) == 0)
            ret_fields->count++;
    }
}

static uint32_t add(struct term_entry *entries, uint32_t count,
                    const struct message *message, uint64_t hash)
{
    entries[count] = (struct term_entry){
        .topic_id = message->topic_id, .hash = hash, .id = message->id};
    return count + 1;
}

static uint32_t add_field(struct term_entry *entries, uint32_t count,
                          const struct message *message,
                          const struct term_field *field, struct arena *arena)
{
    struct slice texts[FIELD_TEXTS_MAX];
    struct json_value value;
    if (!field_find(message->payload, field->tokens, field->token_count,
                    &value))
        return count;
    uint32_t found = field_texts(&value, arena, texts);
    for (uint32_t i = 0; i < found; i++)
        count = add(entries, count, message,
                    term_hash(SEARCH_FIELD, field->pointer, texts[i]));
    return count;
}

uint32_t term_entries(const struct message *message,
                      const struct term_fields *fields, struct arena *arena,
                      struct term_entry *entries)
{
    static const struct slice none = {0};
    struct slice attributes = message->attributes;
    struct slice name;
    struct slice value;
    uint32_t count = 0;
    while (count < BOUND_ATTRIBUTES &&
           attribute_next(&attributes, &name, &value) == 0)
        count = add(entries, count, message,
                    term_hash(SEARCH_ATTRIBUTE, name, value));
    if (message->key.length > 0)
        count = add(entries, count, message,
                    term_hash(SEARCH_KEY, none, message->key));
    if (message_is_later(message))
        count =
            add(entries, count, message, term_hash(SEARCH_LATER, none, none));
    for (uint32_t i = 0; i < fields->count; i++)
        count = add_field(entries, count, message, &fields->fields[i], arena);
    return count;
}

/* ---- Runs ---- */

struct key term_key(uint32_t topic_id, uint64_t hash)
{
    struct key key = key_of_u32(topic_id);
    key_u64(&key, hash);
    return key;
}

uint32_t term_run_fit(const struct term_entry *entries, uint32_t count)
{
    uint32_t fit = 1;
    while (fit < count && fit < RUN_TERM_MAX &&
           entries[fit].topic_id == entries[0].topic_id &&
           entries[fit].hash == entries[0].hash &&
           entries[fit].id - entries[0].id <= UINT32_MAX)
        fit++;
    return fit;
}

void term_run_encode(struct encoder *out, const struct term_entry *entries,
                     uint32_t count)
{
    out->length = 0;
    encoder_u16(out, (uint16_t)count);
    for (uint32_t i = 0; i < count; i++)
        encoder_u32(out, (uint32_t)(entries[i].id - entries[0].id));
}

int term_run_decode(uint64_t first, struct slice content,
                    struct term_run *ret_run)
{
    struct decoder in = decoder_of(content);
    struct term_run run = {.first = first, .count = decoder_u16(&in)};
    run.table = decoder_bytes(&in, (size_t)run.count * ITEM_SIZE).data;
    if (!decoder_done(&in) || run.count == 0)
        return ERR_CORRUPT;
    *ret_run = run;
    return 0;
}

uint64_t term_run_id(const struct term_run *run, uint32_t index)
{
    return run->first + get_u32(run->table + (size_t)index * ITEM_SIZE);
}

uint64_t term_run_below(const struct term_run *run, uint64_t before)
{
    uint32_t low = 0; /* Below `before`; the first one is. */
    uint32_t high = run->count;
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        if (term_run_id(run, middle) < before)
            low = middle;
        else
            high = middle;
    }
    return term_run_id(run, low);
}
