/* search_field.h - what stands in a payload at a JSON pointer, and whether it
 * is what somebody looks for.
 * Thread: any. */
#ifndef POSTOFFICE_STORAGE_SEARCH_FIELD_H
#define POSTOFFICE_STORAGE_SEARCH_FIELD_H

#include "base/json_pointer.h"
#include "base/json_scan.h"

/* Of a name that stands twice the last counts, as for a publisher's filter.
 * False: nothing stands there. The value borrows from the payload. */
bool field_find(struct slice payload, const struct json_token *tokens,
                uint32_t count, struct json_value *ret_value);

/* A string is equal by its text, decoded or as written between its quotes;
 * everything else by its JSON text. */
bool field_equals(const struct json_value *value, struct slice text);

/* The texts that the value is equal to: how many, 1 or 2. Made in the arena
 * or borrowed. */
enum { FIELD_TEXTS_MAX = 2 };
uint32_t field_texts(const struct json_value *value, struct arena *arena,
                     struct slice ret_texts[FIELD_TEXTS_MAX]);

#endif
