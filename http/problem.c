#include "http/problem.h"

#include "base/error.h"
#include "base/json_write.h"

#include <stdio.h>

const char *status_phrase(int status)
{
    static const struct {
        int status;
        const char *phrase;
    } phrases[] = {
        {200, "OK"},
        {201, "Created"},
        {202, "Accepted"},
        {204, "No Content"},
        {304, "Not Modified"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {406, "Not Acceptable"},
        {408, "Request Timeout"},
        {409, "Conflict"},
        {413, "Content Too Large"},
        {415, "Unsupported Media Type"},
        {417, "Expectation Failed"},
        {422, "Unprocessable Content"},
        {429, "Too Many Requests"},
        {500, "Internal Server Error"},
        {501, "Not Implemented"},
        {503, "Service Unavailable"},
        {504, "Gateway Timeout"},
        {507, "Insufficient Storage"},
    };
    for (size_t i = 0; i < sizeof phrases / sizeof *phrases; i++)
        if (phrases[i].status == status)
            return phrases[i].phrase;
    return "Unknown";
}

void problem_set(struct problem *problem, int status, const char *code,
                 const char *detail)
{
    if (problem->status != 0)
        return;
    problem->status = status;
    problem->code = code;
    problem->detail = detail;
}

static void add(struct problem *problem, struct problem_error error)
{
    if (problem->error_count < PROBLEM_ERRORS_MAX)
        problem->errors[problem->error_count++] = error;
}

/* What is wrong outweighs what is not built: the client can mend the former
 * first and is then told the latter. */
static void become_invalid(struct problem *problem)
{
    if (problem->status == 501) {
        problem->status = 0;
        problem->error_count = 0;
    }
    problem_set(problem, 400, "invalid", NULL);
}

void problem_field(struct problem *problem, const char *field, const char *text)
{
    problem_element(problem, field, slice_of(NULL, 0), text);
}

void problem_element(struct problem *problem, const char *field,
                     struct slice element, const char *text)
{
    become_invalid(problem);
    add(problem, (struct problem_error){
                     .field = field, .element = element, .text = text});
}

void problem_pointer(struct problem *problem, const char *field,
                     struct slice pointer, const char *text)
{
    become_invalid(problem);
    add(problem, (struct problem_error){
                     .field = field, .pointer = pointer, .text = text});
}

void problem_parameter(struct problem *problem, const char *name,
                       const char *text)
{
    become_invalid(problem);
    add(problem, (struct problem_error){
                     .field = name, .text = text, .place = PROBLEM_IN_QUERY});
}

void problem_header(struct problem *problem, const char *name, const char *text)
{
    become_invalid(problem);
    add(problem, (struct problem_error){
                     .field = name, .text = text, .place = PROBLEM_IN_HEADER});
}

static void not_built(struct problem *problem, const char *field,
                      enum problem_place place)
{
    problem_set(problem, 501, "not_built", NULL);
    if (problem->status == 501)
        add(problem,
            (struct problem_error){.field = field,
                                   .text = "is not built yet in this version",
                                   .place = place});
}

void problem_not_built(struct problem *problem, const char *field)
{
    not_built(problem, field, PROBLEM_IN_BODY);
}

struct mapping {
    int code;
    int status;
    const char *name;
    unsigned retry_after;
    const char *field_text; /* Said of the field that the error is about. */
};

static const struct mapping mappings[] = {
    {ERR_INVALID, 400, "invalid", 0, PROBLEM_INVALID},
    {ERR_NOT_FOUND, 404, "not_found", 0, PROBLEM_INVALID},
    {ERR_EXISTS, 409, "exists", 0, PROBLEM_TAKEN},
    {ERR_CONFLICT, 409, "conflict", 0, NULL},
    {ERR_BUSY, 429, "busy", 1, NULL},
    {ERR_NOT_LEADER, 503, "unavailable", 1, NULL},
    {ERR_UNAVAILABLE, 503, "unavailable", 1, NULL},
    {ERR_UNKNOWN_OUTCOME, 504, "unknown_outcome", 0, NULL},
    {ERR_NO_SPACE, 507, "store_full", 0, NULL},
    {ERR_TOO_LARGE, 413, "too_large", 0, "is too large"},
    {ERR_NOT_BUILT, 501, "not_built", 0, "is not built yet in this version"},
    {0, 500, "internal", 0, NULL},
};

void problem_from_code(struct problem *problem, int code, const char *field,
                       const char *detail)
{
    const struct mapping *mapping = mappings;
    while (mapping->code != 0 && mapping->code != code)
        mapping++;
    int status = mapping->status;
    /* What a request names and is not there is the request's fault; what its
     * address names is simply not found. */
    bool named = field != NULL && code == ERR_NOT_FOUND;
    if (named)
        status = 400;
    const char *words = detail != NULL ? detail : error_text(code);
    problem_set(problem, status, named ? "invalid" : mapping->name,
                field == NULL ? words : detail);
    problem->retry_after = mapping->retry_after;
    if (field != NULL) {
        const char *text = mapping->field_text;
        /* The original's texts stand for themselves; other words tell more
         * than ours. */
        if (text == NULL || (detail != NULL && code == ERR_INVALID))
            text = words;
        add(problem, (struct problem_error){.field = field, .text = text});
    }
}

/* RFC 6901: ~ and / are escaped within a step. */
static void write_step(struct encoder *pointer, struct slice step)
{
    encoder_u8(pointer, '/');
    for (size_t i = 0; i < step.length; i++) {
        uint8_t byte = step.data[i];
        if (byte == '~' || byte == '/')
            encoder_bytes(pointer, slice_text(byte == '~' ? "~0" : "~1"));
        else
            encoder_u8(pointer, byte);
    }
}

static void write_pointer(struct json_writer *json,
                          const struct problem_error *error)
{
    if (error->place != PROBLEM_IN_BODY) {
        bool query = error->place == PROBLEM_IN_QUERY;
        json_member_null(json, "pointer");
        json_member_string(json, query ? "parameter" : "header", error->field);
        return;
    }
    struct encoder pointer = {0};
    write_step(&pointer, slice_text(error->field));
    if (error->element.length > 0)
        write_step(&pointer, error->element);
    encoder_bytes(&pointer, error->pointer);
    json_member_text(json, "pointer", encoder_slice(&pointer));
    encoder_close(&pointer);
}

static void write_errors(struct json_writer *json,
                         const struct problem *problem)
{
    json_write_name(json, "errors");
    json_write_begin(json, '[');
    for (unsigned i = 0; i < problem->error_count; i++) {
        json_write_begin(json, '{');
        write_pointer(json, &problem->errors[i]);
        json_member_string(json, "detail", problem->errors[i].text);
        json_write_end(json, '}');
    }
    json_write_end(json, ']');
}

static bool told_before(const struct problem *problem, unsigned index)
{
    for (unsigned i = 0; i < index; i++)
        if (strcmp(problem->errors[i].field, problem->errors[index].field) == 0)
            return true;
    return false;
}

/* "is invalid: a number is expected" was just "is invalid" there. */
static struct slice original_text(const char *text)
{
    static const char start[] = PROBLEM_INVALID ":";
    if (strncmp(text, start, sizeof start - 1) == 0)
        return slice_text(PROBLEM_INVALID);
    return slice_text(text);
}

/* The original's form: the texts of each field, together. */
static void write_original(struct json_writer *json,
                           const struct problem *problem, const char *detail)
{
    json_write_name(json, "data");
    json_write_begin(json, '{');
    json_write_name(json, "errors");
    json_write_begin(json, '{');
    for (unsigned i = 0; i < problem->error_count; i++) {
        const char *field = problem->errors[i].field;
        if (told_before(problem, i))
            continue;
        json_write_name_slice(json, slice_text(field));
        json_write_begin(json, '[');
        for (unsigned j = i; j < problem->error_count; j++)
            if (strcmp(problem->errors[j].field, field) == 0)
                json_write_text(json, original_text(problem->errors[j].text));
        json_write_end(json, ']');
    }
    if (problem->error_count == 0) {
        json_write_name(json, "detail");
        json_write_begin(json, '[');
        json_write_text(json, slice_text(detail));
        json_write_end(json, ']');
    }
    json_write_end(json, '}');
    json_write_end(json, '}');
}

void problem_write(const struct problem *problem, struct slice instance,
                   struct slice request_id, struct encoder *out)
{
    char first[192];
    const char *detail = problem->detail;
    if (detail == NULL && problem->error_count > 0) {
        snprintf(first, sizeof first, "%s: %s", problem->errors[0].field,
                 problem->errors[0].text);
        detail = first;
    }
    if (detail == NULL)
        detail = status_phrase(problem->status);
    char kind[64];
    snprintf(kind, sizeof kind, "urn:postoffice:problem:%s", problem->code);
    struct json_writer json = json_writer_of(out);
    json_write_begin(&json, '{');
    json_member_string(&json, "type", kind);
    json_member_string(&json, "title", status_phrase(problem->status));
    json_member_u64(&json, "status", (uint64_t)problem->status);
    json_member_string(&json, "detail", detail);
    json_member_text(&json, "instance", instance);
    json_member_string(&json, "code", problem->code);
    json_member_text(&json, "request_id", request_id);
    write_errors(&json, problem);
    write_original(&json, problem, detail);
    json_write_end(&json, '}');
}
