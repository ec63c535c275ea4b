/* What requests say outside their bodies: ids in the path, pages of lists. */
#include "http/request.h"

bool request_id_parameter(struct request *request, uint64_t *ret_id)
{
    uint64_t id = 0;
    bool sound =
        request->parameter.length > 0 && request->parameter.length <= 16;
    for (size_t i = 0; sound && i < request->parameter.length; i++) {
        uint8_t byte = request->parameter.data[i];
        sound = byte >= '0' && byte <= '9';
        id = id * 10 + (uint64_t)(byte - '0');
    }
    if (sound && id > 0 && id < UINT64_C(1) << 53) {
        *ret_id = id;
        return true;
    }
    struct problem problem = {0};
    problem_parameter(&problem, "id", PROBLEM_INVALID);
    request_fail(request, &problem);
    return false;
}

bool request_page(struct request *request, char kind,
                  struct backend_page *ret_page)
{
    struct problem problem = {0};
    query_string_page(&request->query, kind, &ret_page->after_id,
                      &request->page_limit, &problem);
    if (problem.status != 0) {
        request_fail(request, &problem);
        return false;
    }
    ret_page->limit = request->page_limit + 1;
    return true;
}

uint32_t request_page_count(const struct request *request, uint32_t found)
{
    return found > request->page_limit ? request->page_limit : found;
}

void request_page_end(struct json_writer *json, char kind, bool more,
                      uint32_t last_id)
{
    char cursor[CURSOR_SIZE];
    cursor_format(cursor, kind, last_id);
    json_member_string(json, "next_cursor", more ? cursor : NULL);
    json_write_end(json, '}');
}
