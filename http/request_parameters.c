/* What requests say outside their bodies: ids in the path, pages of lists. */
#include "http/request.h"

static bool id_parse(struct slice text, uint64_t *ret_id)
{
    uint64_t id = 0;
    if (text.length == 0 || text.length > 16)
        return false;
    for (size_t i = 0; i < text.length; i++) {
        uint8_t byte = text.data[i];
        if (byte < '0' || byte > '9')
            return false;
        id = id * 10 + (uint64_t)(byte - '0');
    }
    *ret_id = id;
    return id > 0 && id < UINT64_C(1) << 53;
}

bool request_id_parameter(struct request *request, uint64_t *ret_id)
{
    struct problem problem = {0};
    if (id_parse(request->parameter, ret_id))
        return true;
    problem_parameter(&problem, "id", PROBLEM_INVALID);
    request_fail(request, &problem);
    return false;
}

bool request_small_id(struct request *request, uint32_t *ret_id)
{
    uint64_t id;
    if (!request_id_parameter(request, &id))
        return false;
    if (id <= UINT32_MAX) {
        *ret_id = (uint32_t)id;
        return true;
    }
    struct problem problem = {0};
    problem_from_code(&problem, ERR_NOT_FOUND, NULL, NULL);
    request_fail(request, &problem);
    return false;
}

bool request_query_id(const struct request *request, const char *name,
                      uint32_t *ret_id, struct problem *problem)
{
    struct slice text;
    uint64_t id;
    if (!query_string_get(&request->query, name, &text))
        return false;
    if (id_parse(text, &id) && id <= UINT32_MAX)
        *ret_id = (uint32_t)id;
    else
        problem_parameter(problem, name, PROBLEM_INVALID);
    return true;
}

bool request_page(struct request *request, char kind,
                  struct backend_page *ret_page)
{
    struct problem problem = {0};
    uint64_t after = 0;
    query_string_page(&request->query, kind, UINT32_MAX, &after,
                      &request->page_limit, &problem);
    ret_page->after_id = (uint32_t)after;
    ret_page->limit = request->page_limit + 1;
    return !request_failed(request, &problem);
}

uint32_t request_page_count(const struct request *request, uint32_t found)
{
    return found > request->page_limit ? request->page_limit : found;
}

void request_page_end(struct request *request, struct json_writer *json,
                      char kind, uint64_t next)
{
    char cursor[CURSOR_SIZE];
    cursor_format(cursor, kind, next);
    json_write_end(json, ']');
    json_member_string(json, "next_cursor", next != 0 ? cursor : NULL);
    json_write_end(json, '}');
    request_send_json(request, 200);
}
