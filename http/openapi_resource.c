/* The API's description for programs, as OpenAPI 3.1. It is written by hand;
 * tests/unit/http/test_openapi.c keeps it equal to the route table, and
 * tests/blackbox/test_openapi.py to what a node answers. */
#include "http/resources.h"
#include "http/static_file.h"

STATIC_FILE(openapi_json, "ui/openapi.json");

struct slice openapi_document(void)
{
    return STATIC_FILE_BYTES(openapi_json);
}

void openapi_get(struct request *request)
{
    static_file_send(request, openapi_document(), "application/json");
}
