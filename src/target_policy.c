#include "target_policy.h"

#include <netdb.h>
#include <stdio.h>

static int parse_ranges(const struct setting_list *list,
                        struct address_range *ranges, uint32_t *ret_count,
                        struct error *error)
{
    for (uint32_t i = 0; i < list->count; i++) {
        int rc = address_range_parse(list->texts[i], &ranges[i], error);
        if (rc != 0)
            return rc;
    }
    *ret_count = list->count;
    return 0;
}

/* Names are left out: what they stand for may change (own_ports.h). */
static void add_own(struct address_policy *policy, const char *address)
{
    char host[256];
    const char *colon = strrchr(address, ':');
    size_t length = (size_t)(colon - address);
    const char *start = address;
    const struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV,
                                   .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    if (length >= 2 && start[0] == '[' && start[length - 1] == ']') {
        start++;
        length -= 2;
    }
    if (strncmp(address, "localhost:", 10) == 0) {
        start = "127.0.0.1";
        length = strlen(start);
    }
    if (length >= sizeof host)
        return;
    snprintf(host, sizeof host, "%.*s", (int)length, start);
    if (getaddrinfo(host, colon + 1, &hints, &found) != 0)
        return;
    address_policy_own(policy, found->ai_addr);
    freeaddrinfo(found);
}

int target_policy_fill(const struct settings *settings,
                       struct address_policy *ret_policy, struct error *error)
{
    struct address_policy *policy = ret_policy;
    *policy = (struct address_policy){.strict = settings->target_strict,
                                      .loopback = settings_is_local(settings)};
    int rc = parse_ranges(&settings->target_allow, policy->allow,
                          &policy->allow_count, error);
    if (rc == 0)
        rc = parse_ranges(&settings->target_deny, policy->deny,
                          &policy->deny_count, error);
    for (uint32_t i = 0; i < settings->listen.count; i++)
        add_own(policy, settings->listen.texts[i]);
    add_own(policy, settings->raft_listen);
    for (uint32_t i = 0; i < settings->member_count; i++)
        add_own(policy, settings->members[i].address);
    return rc;
}
