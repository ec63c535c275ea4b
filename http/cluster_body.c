#include "http/request_body.h"

void request_body_transfer(struct slice body, struct arena *arena,
                           struct problem *problem, uint32_t *ret_to)
{
    static const char *const names[] = {"to", NULL};
    struct body_fields fields;
    *ret_to = 0;
    if (body_fields_scan_strict(&fields, body, names, arena, problem))
        body_fields_integer(&fields, "to", 1, UINT16_MAX, ret_to);
}
