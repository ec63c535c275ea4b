#include "base/json_write.h"

#include "base/utf8.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

static void put(struct json_writer *json, const char *bytes, size_t length)
{
    encoder_bytes(json->out, slice_of(bytes, length));
}

/* The comma before an element that is not the first. */
static void separate(struct json_writer *json)
{
    if (json->comma)
        encoder_u8(json->out, ',');
    json->comma = true;
}

void json_write_begin(struct json_writer *json, char bracket)
{
    separate(json);
    encoder_u8(json->out, (uint8_t)bracket);
    json->comma = false;
}

void json_write_end(struct json_writer *json, char bracket)
{
    encoder_u8(json->out, (uint8_t)bracket);
    json->comma = true;
}

void json_write_name(struct json_writer *json, const char *name)
{
    separate(json);
    encoder_u8(json->out, '"');
    put(json, name, strlen(name));
    put(json, "\":", 2);
    json->comma = false;
}

static void put_escape(struct json_writer *json, uint8_t byte)
{
    static const char short_forms[] = {
        ['"'] = '"',  ['\\'] = '\\', ['\b'] = 'b', ['\f'] = 'f',
        ['\n'] = 'n', ['\r'] = 'r',  ['\t'] = 't',
    };
    char escape[8];
    if (byte < sizeof short_forms && short_forms[byte] != '\0') {
        escape[0] = '\\';
        escape[1] = short_forms[byte];
        put(json, escape, 2);
        return;
    }
    int length = snprintf(escape, sizeof escape, "\\u%04x", byte);
    put(json, escape, (size_t)length);
}

void json_write_text(struct json_writer *json, struct slice text)
{
    separate(json);
    encoder_u8(json->out, '"');
    size_t plain = 0; /* Where the bytes not yet copied begin. */
    size_t at = 0;
    while (at < text.length) {
        uint8_t byte = text.data[at];
        size_t length = utf8_length(text.data + at, text.length - at);
        if (length != 0 && byte >= 0x20 && byte != '"' && byte != '\\') {
            at += length;
            continue;
        }
        encoder_bytes(json->out, slice_of(text.data + plain, at - plain));
        if (length == 0)
            put(json, "\xef\xbf\xbd", 3);
        else
            put_escape(json, byte);
        plain = ++at;
    }
    if (at > plain)
        encoder_bytes(json->out, slice_of(text.data + plain, at - plain));
    encoder_u8(json->out, '"');
}

void json_write_name_slice(struct json_writer *json, struct slice name)
{
    json_write_text(json, name);
    encoder_u8(json->out, ':');
    json->comma = false;
}

void json_write_number(struct json_writer *json, uint64_t number)
{
    separate(json);
    char digits[24];
    size_t at = sizeof digits;
    do {
        digits[--at] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    put(json, digits + at, sizeof digits - at);
}

void json_write_boolean(struct json_writer *json, bool value)
{
    json_write_raw(json, slice_text(value ? "true" : "false"));
}

void json_write_null(struct json_writer *json)
{
    json_write_raw(json, slice_text("null"));
}

void json_write_raw(struct json_writer *json, struct slice value)
{
    separate(json);
    encoder_bytes(json->out, value);
}

const char *time_text(uint64_t time_ms, char text[TIME_TEXT_SIZE])
{
    time_t seconds = (time_t)(time_ms / 1000);
    struct tm utc;
    size_t length = 0;
    if (gmtime_r(&seconds, &utc) != NULL)
        length = strftime(text, TIME_TEXT_SIZE, "%Y-%m-%dT%H:%M:%S", &utc);
    snprintf(text + length, TIME_TEXT_SIZE - length, ".%03" PRIu64 "Z",
             time_ms % 1000);
    return text;
}

void json_write_time(struct json_writer *json, uint64_t time_ms)
{
    char text[TIME_TEXT_SIZE];
    if (time_ms == 0)
        json_write_null(json);
    else
        json_write_text(json, slice_text(time_text(time_ms, text)));
}

void json_member_text(struct json_writer *json, const char *name,
                      struct slice text)
{
    json_write_name(json, name);
    json_write_text(json, text);
}

void json_member_string(struct json_writer *json, const char *name,
                        const char *text)
{
    json_write_name(json, name);
    if (text == NULL)
        json_write_null(json);
    else
        json_write_text(json, slice_text(text));
}

void json_member_text_or_null(struct json_writer *json, const char *name,
                              struct slice text)
{
    if (text.length == 0)
        json_member_null(json, name);
    else
        json_member_text(json, name, text);
}

void json_member_u64(struct json_writer *json, const char *name,
                     uint64_t number)
{
    json_write_name(json, name);
    json_write_number(json, number);
}

void json_member_u64_or_null(struct json_writer *json, const char *name,
                             uint64_t number)
{
    if (number == 0)
        json_member_null(json, name);
    else
        json_member_u64(json, name, number);
}

void json_member_boolean(struct json_writer *json, const char *name, bool value)
{
    json_write_name(json, name);
    json_write_boolean(json, value);
}

void json_member_time(struct json_writer *json, const char *name,
                      uint64_t time_ms)
{
    json_write_name(json, name);
    json_write_time(json, time_ms);
}

void json_member_null(struct json_writer *json, const char *name)
{
    json_write_name(json, name);
    json_write_null(json);
}
