/* error.h - one list of error codes, and words gathered on the way up.
 *
 * Functions return 0 or a negative ERR_*. Where a person may read the reason,
 * they also fill a struct error: the low function sets the words, each caller
 * above puts its own in front ("append message: disk full"). A library's own
 * codes are translated once, in the module that wraps the library.
 * Thread: any; a struct error belongs to its holder. */
#ifndef POSTOFFICE_BASE_ERROR_H
#define POSTOFFICE_BASE_ERROR_H

#define ERROR_CODES(X)                                                         \
    X(ERR_INVALID, -1, "invalid")                                              \
    X(ERR_NOT_FOUND, -2, "not found")                                          \
    X(ERR_EXISTS, -3, "already exists")                                        \
    X(ERR_BUSY, -4, "too much is waiting, try again")                          \
    X(ERR_NOT_LEADER, -5, "this node is not the leader")                       \
    X(ERR_UNAVAILABLE, -6, "not available now")                                \
    X(ERR_UNKNOWN_OUTCOME, -7, "may or may not have happened")                 \
    X(ERR_STALE, -8, "the state has moved on")                                 \
    X(ERR_CORRUPT, -9, "corrupt")                                              \
    X(ERR_IO, -10, "input or output failed")                                   \
    X(ERR_NO_SPACE, -11, "no space left")                                      \
    X(ERR_NO_MEMORY, -12, "no memory left")                                    \
    X(ERR_TOO_LARGE, -13, "too large")                                         \
    X(ERR_VERSION, -14, "made by a newer version")                             \
    X(ERR_LOCKED, -15, "used by another process")                              \
    X(ERR_END, -16, "the end")                                                 \
    X(ERR_CANCELLED, -17, "cancelled")                                         \
    X(ERR_CONFLICT, -18, "in conflict with what exists")                       \
    X(ERR_NOT_BUILT, -19, "not built yet")

enum {
#define ERROR_ENUM(name, number, text) name = (number),
    ERROR_CODES(ERROR_ENUM)
#undef ERROR_ENUM
};

struct error {
    int code;
    char text[256]; /* Cut, never overrun; always terminated. */
};

/* The text of a code; "ok" for 0. Static. */
const char *error_text(int code);

/* Sets code and words, and returns the code: `return error_set(...)`.
 * `error` may be NULL. */
int error_set(struct error *error, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Puts "words: " in front of what is there and returns the code. With an
 * empty text, the code's own text follows. */
int error_wrap(struct error *error, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* error_set() with strerror(number) behind the words; ENOSPC and EDQUOT
 * become ERR_NO_SPACE, ENOMEM ERR_NO_MEMORY, all else ERR_IO. */
int error_system(struct error *error, int number, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
