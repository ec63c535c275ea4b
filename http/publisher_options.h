/* publisher_options.h - the options of a publisher under their names in the
 * API: one table by which they are read, changed and written.
 *
 * A blank option stands for its default, when it is created as when it is
 * changed. What a body gives is told as a set of bits, one for each row of
 * the table. Thread: any. */
#ifndef POSTOFFICE_HTTP_PUBLISHER_OPTIONS_H
#define POSTOFFICE_HTTP_PUBLISHER_OPTIONS_H

#include "base/json_write.h"
#include "http/body_fields.h"
#include "storage/model.h"

/* A body's fields must know all of these names. */
#define PUBLISHER_OPTION_NAMES                                                 \
    "target", "seconds_timeout", "seconds_retry", "retry_max_seconds",         \
        "chunk_size", "max_in_flight", "max_attempts", "guarantee",            \
        "description", "expire_after_seconds", "rate_limit_per_second",        \
        "ordering", "on_poison", "body_format", "filter", "headers", "secret", \
        "basic_auth", "bearer_token"

/* The defaults of an HTTP publisher; its target is empty. */
void publisher_options_init(struct publisher_options *options);

/* Reads those options that the body gives and leaves the others alone;
 * returns which they are. Texts borrow from the body or live in the fields'
 * arena. */
uint32_t publisher_options_read(struct body_fields *fields,
                                struct publisher_options *options);

/* Takes the given ones over from `from`; texts are shared. */
void publisher_options_merge(struct publisher_options *options,
                             const struct publisher_options *from,
                             uint32_t given);

/* What no single option shows, of all of them together. NULL: they are sound;
 * else the field, and static words. */
const char *publisher_options_conflict(const struct publisher_options *options,
                                       const char **ret_text);

/* As members. Secrets are masked, unless `clear` says that this answer is the
 * one that shows the signing secret. */
void publisher_options_write(struct json_writer *json,
                             const struct publisher_options *options,
                             bool clear);

const char *publisher_type_text(enum publisher_type type);

#endif
