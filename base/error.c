#include "base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const char *error_text(int code)
{
    switch (code) {
    case 0:
        return "ok";
#define ERROR_CASE(name, number, text)                                         \
    case name:                                                                 \
        return text;
        ERROR_CODES(ERROR_CASE)
#undef ERROR_CASE
    default:
        return "unknown error";
    }
}

int error_set(struct error *error, int code, const char *format, ...)
{
    if (error != NULL) {
        va_list arguments;
        va_start(arguments, format);
        vsnprintf(error->text, sizeof error->text, format, arguments);
        va_end(arguments);
        error->code = code;
    }
    return code;
}

int error_wrap(struct error *error, int code, const char *format, ...)
{
    if (error == NULL || code == 0)
        return code;
    char words[sizeof error->text];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(words, sizeof words, format, arguments);
    va_end(arguments);
    char joined[2 * sizeof error->text + 2];
    const char *reason = error->code == code && error->text[0] != '\0'
                             ? error->text
                             : error_text(code);
    snprintf(joined, sizeof joined, "%s: %s", words, reason);
    memcpy(error->text, joined, sizeof error->text - 1);
    error->text[sizeof error->text - 1] = '\0';
    error->code = code;
    return code;
}

int error_system(struct error *error, int number, const char *format, ...)
{
    int code = ERR_IO;
    if (number == ENOSPC || number == EDQUOT)
        code = ERR_NO_SPACE;
    else if (number == ENOMEM)
        code = ERR_NO_MEMORY;
    if (error == NULL)
        return code;
    char words[128];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(words, sizeof words, format, arguments);
    va_end(arguments);
    char reason[96];
    return error_set(error, code, "%s: %s", words,
                     strerror_r(number, reason, sizeof reason));
}
