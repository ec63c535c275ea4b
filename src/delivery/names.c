#include "names.h"

#include "base/memory.h"

#include <assert.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static int compare(const void *a, const void *b)
{
    return strcasecmp(((const struct name *)a)->host,
                      ((const struct name *)b)->host);
}

void names_init(struct names *names, uint32_t most)
{
    *names = (struct names){.most = most};
}

static void unlink_name(struct names *names, struct name *name)
{
    if (name->newer != NULL)
        name->newer->older = name->older;
    else
        names->newest = name->older;
    if (name->older != NULL)
        name->older->newer = name->newer;
    else
        names->oldest = name->newer;
}

static void link_newest(struct names *names, struct name *name)
{
    name->newer = NULL;
    name->older = names->newest;
    if (names->newest != NULL)
        names->newest->newer = name;
    else
        names->oldest = name;
    names->newest = name;
}

static void drop(struct names *names, struct name *name)
{
    tdelete(name, &names->tree, compare);
    unlink_name(names, name);
    names->count--;
    free(name);
}

static bool make_room(struct names *names)
{
    struct name *name = names->oldest;
    if (names->count < names->most)
        return true;
    while (name != NULL && name->busy > 0)
        name = name->newer;
    if (name == NULL)
        return false;
    drop(names, name);
    return true;
}

static struct name *add(struct names *names, const struct name *wanted)
{
    if (!make_room(names))
        return NULL;
    struct name *name = memory_new_zeroed(1, sizeof *name);
    memcpy(name->host, wanted->host, sizeof name->host);
    if (tsearch(name, &names->tree, compare) == NULL)
        abort(); /* A few bytes. */
    link_newest(names, name);
    names->count++;
    return name;
}

struct name *names_want(struct names *names, const char *host)
{
    struct name wanted = {.busy = 0};
    size_t length = strlen(host);
    if (length == 0 || length >= sizeof wanted.host)
        return NULL;
    memcpy(wanted.host, host, length);
    void *found = tfind(&wanted, &names->tree, compare);
    if (found == NULL)
        return add(names, &wanted);
    struct name *name = *(struct name **)found;
    unlink_name(names, name);
    link_newest(names, name);
    return name;
}

void name_answered(struct name *name, const struct name_addresses *addresses,
                   uint64_t ttl_ms, uint64_t now_ms)
{
    uint64_t fresh_ms = ttl_ms < NAME_FRESH_MS_MIN   ? NAME_FRESH_MS_MIN
                        : ttl_ms > NAME_FRESH_MS_MAX ? NAME_FRESH_MS_MAX
                                                     : ttl_ms;
    name->addresses = *addresses;
    name->fresh_until_ms = addresses->count > 0 ? now_ms + fresh_ms : 0;
    name->known_until_ms = addresses->count > 0 ? now_ms + NAME_STALE_MS : 0;
}

bool name_is_stale(const struct name *name, uint64_t now_ms)
{
    return name->addresses.count > 0 && now_ms < name->known_until_ms;
}

void name_unanswered(struct name *name, uint64_t now_ms)
{
    if (name_is_stale(name, now_ms))
        name->fresh_until_ms = now_ms + NAME_PATIENCE_MS;
    else
        name->addresses.count = 0;
}

bool name_is_known(const struct name *name, uint64_t now_ms)
{
    return name->addresses.count > 0 && now_ms < name->fresh_until_ms;
}

void names_close(struct names *names)
{
    while (names->oldest != NULL)
        drop(names, names->oldest);
    assert(names->count == 0);
}
