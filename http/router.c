#include "http/router.h"

/* Whether the pattern fits; the segment that a parameter stands for. */
static bool pattern_fits(const char *pattern, struct slice path,
                         struct slice *ret_parameter)
{
    size_t at = 0;
    *ret_parameter = slice_of(NULL, 0);
    for (; *pattern != '\0'; pattern++) {
        if (*pattern == '{') {
            const uint8_t *start = path.data + at;
            size_t left = path.length - at;
            const uint8_t *slash = left == 0 ? NULL : memchr(start, '/', left);
            size_t length = slash == NULL ? left : (size_t)(slash - start);
            if (length == 0)
                return false;
            *ret_parameter = slice_of(start, length);
            at += length;
            while (*pattern != '}')
                pattern++;
        } else if (at == path.length || path.data[at] != (uint8_t)*pattern) {
            return false;
        } else {
            at++;
        }
    }
    return at == path.length;
}

static void allow_add(struct router_match *match, const char *method)
{
    size_t length = strlen(match->allow);
    size_t room = sizeof match->allow - length;
    if (length + strlen(method) + 3 > sizeof match->allow)
        return;
    if (length > 0) {
        memcpy(match->allow + length, ", ", 2);
        length += 2;
        room -= 2;
    }
    memcpy(match->allow + length, method, strnlen(method, room - 1) + 1);
}

/* Among the routes of one pattern, the one with this method. */
static enum router_verdict choose_method(const struct route *routes,
                                         const char *pattern,
                                         struct slice method,
                                         struct router_match *match)
{
    match->head = slice_is(method, "HEAD");
    struct slice wanted = match->head ? slice_text("GET") : method;
    match->allow[0] = '\0';
    for (const struct route *route = routes; route->method != NULL; route++) {
        if (strcmp(route->pattern, pattern) != 0)
            continue;
        if (slice_is(wanted, route->method)) {
            match->route = route;
            return ROUTER_FOUND;
        }
        allow_add(match, route->method);
        if (strcmp(route->method, "GET") == 0)
            allow_add(match, "HEAD");
    }
    return ROUTER_METHOD;
}

enum router_verdict router_find(const struct route *routes, struct slice method,
                                struct slice path,
                                struct router_match *ret_match)
{
    if (path.length > 1 && path.data[path.length - 1] == '/')
        path.length--;
    for (const struct route *route = routes; route->method != NULL; route++)
        if (pattern_fits(route->pattern, path, &ret_match->parameter))
            return choose_method(route, route->pattern, method, ret_match);
    return ROUTER_NONE;
}
