/* logger.h - structured log lines on standard error: text for a terminal,
 * JSON for machines.
 *
 * A line is a level, a component, a sentence and named fields:
 *
 *     LOG_INFO("raft", "became leader", FIELD_U64("term", term));
 *
 * Low code returns errors, top code logs them, once. Secrets and payloads are
 * never logged. A sentence that repeats without end is cut (log_limit.h),
 * unless everything is wanted (debug): `silenced` then tells how many like it
 * were left out. Thread: any; each line is one write(). */
#ifndef POSTOFFICE_BASE_LOGGER_H
#define POSTOFFICE_BASE_LOGGER_H

#include "base/error.h"
#include "base/slice.h"

#include <stdbool.h>
#include <stdint.h>

enum logger_level { LOGGER_DEBUG, LOGGER_INFO, LOGGER_WARN, LOGGER_ERROR };
enum { LOGGER_LEVELS = LOGGER_ERROR + 1 };
enum logger_format { LOGGER_TEXT, LOGGER_JSON };

struct logger_field {
    const char *name; /* NULL ends the list. */
    enum { LOGGER_FIELD_U64, LOGGER_FIELD_TEXT, LOGGER_FIELD_SLICE } kind;
    union {
        uint64_t number;
        const char *text;
        struct slice slice;
    } value;
};

#define FIELD_U64(n, v)                                                        \
    ((struct logger_field){                                                    \
        .name = (n), .kind = LOGGER_FIELD_U64, .value.number = (uint64_t)(v)})
#define FIELD_TEXT(n, v)                                                       \
    ((struct logger_field){                                                    \
        .name = (n), .kind = LOGGER_FIELD_TEXT, .value.text = (v)})
#define FIELD_SLICE(n, v)                                                      \
    ((struct logger_field){                                                    \
        .name = (n), .kind = LOGGER_FIELD_SLICE, .value.slice = (v)})

#define LOGGER_LINE(level, component, sentence, ...)                           \
    do {                                                                       \
        if (logger_on(level))                                                  \
            logger_write((level), (component), (sentence),                     \
                         (const struct logger_field[]){                        \
                             __VA_ARGS__ __VA_OPT__(, ){.name = NULL}});       \
    } while (0)
#define LOG_DEBUG(component, ...)                                              \
    LOGGER_LINE(LOGGER_DEBUG, component, __VA_ARGS__)
#define LOG_INFO(component, ...)                                               \
    LOGGER_LINE(LOGGER_INFO, component, __VA_ARGS__)
#define LOG_WARN(component, ...)                                               \
    LOGGER_LINE(LOGGER_WARN, component, __VA_ARGS__)
#define LOG_ERROR(component, ...)                                              \
    LOGGER_LINE(LOGGER_ERROR, component, __VA_ARGS__)

/* Before other threads start. The default: info, text. When standard error is
 * a file by now, its name is kept for logger_reopen(). */
void logger_setup(enum logger_level level, enum logger_format format);
/* A file that was moved away is begun anew under its old name; a terminal, a
 * pipe or a socket stays as it is. Errors, with words: ERR_IO; the old file
 * goes on then. Thread: that of logger_setup(). */
int logger_reopen(struct error *error);

/* Since the start. */
struct logger_figures {
    uint64_t lines[LOGGER_LEVELS];
    uint64_t silenced;
};
struct logger_figures logger_figures(void); /* Any thread. */

bool logger_on(enum logger_level level);
void logger_write(enum logger_level level, const char *component,
                  const char *sentence, const struct logger_field *fields);

#endif
