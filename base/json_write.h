/* json_write.h - JSON onto the end of an encoder.
 *
 * Commas are the writer's, everything else is the caller's order:
 *
 *     json_write_begin(&json, '{');
 *     json_member_u64(&json, "id", 42);
 *     json_write_end(&json, '}');
 *
 * Text that is not UTF-8 (what a receiver answered) is written with U+FFFD in
 * place of each bad byte, so that the result is always JSON.
 * Thread: any. */
#ifndef POSTOFFICE_BASE_JSON_WRITE_H
#define POSTOFFICE_BASE_JSON_WRITE_H

#include "base/codec.h"

struct json_writer {
    struct encoder *out; /* Borrowed. */
    bool comma;          /* Something stands before the next element. */
};

static inline struct json_writer json_writer_of(struct encoder *out)
{
    return (struct json_writer){.out = out};
}

void json_write_begin(struct json_writer *json, char bracket); /* '{' or '[' */
void json_write_end(struct json_writer *json, char bracket);   /* '}' or ']' */
void json_write_name(struct json_writer *json,
                     const char *name); /* Plain ASCII. */
void json_write_name_slice(struct json_writer *json, struct slice name);
void json_write_text(struct json_writer *json, struct slice text);
void json_write_number(struct json_writer *json, uint64_t number);
void json_write_boolean(struct json_writer *json, bool value);
void json_write_null(struct json_writer *json);
/* Bytes that are JSON already. */
void json_write_raw(struct json_writer *json, struct slice value);
/* RFC 3339, UTC, milliseconds; returns its argument. */
enum { TIME_TEXT_SIZE = 64 };
const char *time_text(uint64_t time_ms, char text[TIME_TEXT_SIZE]);
/* The same; null for 0. */
void json_write_time(struct json_writer *json, uint64_t time_ms);

/* A name and its value. */
void json_member_text(struct json_writer *json, const char *name,
                      struct slice text);
void json_member_string(struct json_writer *json, const char *name,
                        const char *text); /* null for NULL. */
void json_member_text_or_null(struct json_writer *json, const char *name,
                              struct slice text); /* null when empty. */
void json_member_u64(struct json_writer *json, const char *name,
                     uint64_t number);
void json_member_u64_or_null(struct json_writer *json, const char *name,
                             uint64_t number); /* null for 0. */
void json_member_boolean(struct json_writer *json, const char *name,
                         bool value);
void json_member_time(struct json_writer *json, const char *name,
                      uint64_t time_ms);
void json_member_null(struct json_writer *json, const char *name);

#endif
