#include "base/logger.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

enum { LINE_SIZE = 2048 };

static enum logger_level lowest = LOGGER_INFO;
static enum logger_format shape = LOGGER_TEXT;

struct line {
    char bytes[LINE_SIZE];
    size_t length;
};

void logger_setup(enum logger_level level, enum logger_format format)
{
    lowest = level;
    shape = format;
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

/* A JSON string, or for text the same without quotes when it is one plain
 * word. Control bytes and quotes are escaped in both, so that a hostile value
 * cannot forge a line. */
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
    for (size_t i = 0; i < value.length; i++) {
        uint8_t byte = value.data[i];
        if (line->length + 16 > sizeof line->bytes)
            break;
        if (byte == '"' || byte == '\\')
            line_add(line, "\\%c", byte);
        else if (byte < 0x20 || byte == 127)
            line_add(line, "\\u%04x", byte);
        else if (line->length + 3 < sizeof line->bytes)
            line->bytes[line->length++] = (char)byte;
    }
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
    if (shape == LOGGER_JSON)
        line.bytes[line.length++] = '}';
    line.bytes[line.length++] = '\n';
    ssize_t ignored = write(STDERR_FILENO, line.bytes, line.length);
    (void)ignored;
}
