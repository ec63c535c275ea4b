#include "base/logger.h"

#include "base/clock.h"
#include "base/log_limit.h"
#include "base/utf8.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { LINE_SIZE = 2048 };

static enum logger_level lowest = LOGGER_INFO;
static enum logger_format shape = LOGGER_TEXT;
static char file_name[PATH_MAX]; /* Of standard error; empty: no file. */

/* What repeats, and what was counted. */
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static struct log_limit limits;
static struct logger_figures figures;

struct line {
    char bytes[LINE_SIZE];
    size_t length;
};

void logger_setup(enum logger_level level, enum logger_format format)
{
    struct stat status;
    lowest = level;
    shape = format;
    file_name[0] = '\0';
    if (fstat(STDERR_FILENO, &status) != 0 || !S_ISREG(status.st_mode))
        return;
    ssize_t length =
        readlink("/proc/self/fd/2", file_name, sizeof file_name - 1);
    file_name[length > 0 ? length : 0] = '\0';
}

int logger_reopen(struct error *error)
{
    if (file_name[0] == '\0')
        return 0;
    int file = open(file_name, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640);
    if (file < 0)
        return error_set(error, ERR_IO, "open %s: %s", file_name,
                         strerror(errno));
    /* In one step: no line of another thread falls in between. */
    int rc = dup2(file, STDERR_FILENO) < 0
                 ? error_set(error, ERR_IO, "reopen %s: %s", file_name,
                             strerror(errno))
                 : 0;
    close(file);
    return rc;
}

struct logger_figures logger_figures(void)
{
    pthread_mutex_lock(&mutex);
    struct logger_figures now = figures;
    pthread_mutex_unlock(&mutex);
    return now;
}

/* Counts the line, or that it is left out. */
static bool is_allowed(enum logger_level level, const char *sentence,
                       uint64_t *ret_silenced)
{
    *ret_silenced = 0;
    pthread_mutex_lock(&mutex);
    bool allowed =
        lowest == LOGGER_DEBUG ||
        log_limit_allows(&limits, sentence, clock_ms(), ret_silenced);
    if (allowed)
        figures.lines[level]++;
    else
        figures.silenced++;
    pthread_mutex_unlock(&mutex);
    return allowed;
}

bool logger_on(enum logger_level level)
{
    return level >= lowest;
}

static const char *level_name(enum logger_level level)
{
    switch (level) {
    case LOGGER_DEBUG:
        return "debug";
    case LOGGER_INFO:
        return "info";
    case LOGGER_WARN:
        return "warn";
    case LOGGER_ERROR:
        return "error";
    }
    return "?";
}

/* What does not fit is cut; two bytes stay free for the line's end. */
static void line_add(struct line *line, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static void line_add(struct line *line, const char *format, ...)
{
    size_t room = sizeof line->bytes - 2 - line->length;
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(line->bytes + line->length, room, format, arguments);
    va_end(arguments);
    if (length > 0)
        line->length += (size_t)length < room ? (size_t)length : room - 1;
}

/* Control bytes and quotes are escaped, and what is no UTF-8 becomes U+FFFD,
 * so that a hostile value can neither forge a line nor spoil one. */
static void line_add_escaped(struct line *line, struct slice value)
{
    for (size_t i = 0; i < value.length;) {
        size_t length = utf8_length(value.data + i, value.length - i);
        uint8_t byte = value.data[i];
        if (line->length + 16 > sizeof line->bytes)
            return;
        if (length == 0) {
            line_add(line, "\\ufffd");
            i++;
            continue;
        }
        if (byte == '"' || byte == '\\')
            line_add(line, "\\%c", byte);
        else if (byte < 0x20 || byte == 127)
            line_add(line, "\\u%04x", byte);
        else
            line_add(line, "%.*s", (int)length, (const char *)value.data + i);
        i += length;
    }
}

/* A JSON string, or for text the same without quotes when it is one plain
 * word. */
static void line_add_value(struct line *line, struct slice value, bool quoted)
{
    if (!quoted) {
        quoted = value.length == 0;
        for (size_t i = 0; i < value.length && !quoted; i++)
            quoted = value.data[i] <= ' ' || value.data[i] == '"' ||
                     value.data[i] == '\\' || value.data[i] >= 127;
    }
    if (quoted)
        line_add(line, "\"");
    line_add_escaped(line, value);
    if (quoted)
        line_add(line, "\"");
}

static void line_add_field(struct line *line, const struct logger_field *field)
{
    bool json = shape == LOGGER_JSON;
    line_add(line, json ? ",\"%s\":" : " %s=", field->name);
    switch (field->kind) {
    case LOGGER_FIELD_U64:
        line_add(line, "%" PRIu64, field->value.number);
        break;
    case LOGGER_FIELD_TEXT:
        line_add_value(line, slice_text(field->value.text), json);
        break;
    case LOGGER_FIELD_SLICE:
        line_add_value(line, field->value.slice, json);
        break;
    }
}

void logger_write(enum logger_level level, const char *component,
                  const char *sentence, const struct logger_field *fields)
{
    struct line line = {.length = 0};
    uint64_t silenced;
    if (!is_allowed(level, sentence, &silenced))
        return;
    struct timespec now;
    struct tm parts;
    char second[32];
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &parts);
    strftime(second, sizeof second, "%Y-%m-%dT%H:%M:%S", &parts);
    int millisecond = (int)(now.tv_nsec / 1000000);
    if (shape == LOGGER_JSON) {
        line_add(&line, "{\"time\":\"%s.%03dZ\",\"level\":\"%s\",", second,
                 millisecond, level_name(level));
        line_add(&line, "\"component\":\"%s\",\"message\":", component);
        line_add_value(&line, slice_text(sentence), true);
    } else {
        line_add(&line, "%s.%03dZ %-5s %s: %s", second, millisecond,
                 level_name(level), component, sentence);
    }
    /* A field that would not fit whole is left out, so that JSON stays
     * JSON: 700 bytes hold any single value after its own cut. */
    for (; fields->name != NULL; fields++) {
        struct line before = line;
        line_add_field(&line, fields);
        if (line.length + 32 > sizeof line.bytes)
            line = before;
    }
    if (silenced > 0 && line.length + 64 < sizeof line.bytes)
        line_add_field(&line, &FIELD_U64("silenced", silenced));
    if (shape == LOGGER_JSON)
        line.bytes[line.length++] = '}';
    line.bytes[line.length++] = '\n';
    ssize_t ignored = write(STDERR_FILENO, line.bytes, line.length);
    (void)ignored;
}
