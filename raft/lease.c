#include "raft/lease.h"

enum {
    /* Clocks differ in rate by far less; it also covers the moment between
     * looking at the lease and acting on it. */
    MARGIN_PART = 10,
};

void lease_answered(struct lease *lease, uint64_t id, uint64_t sent_ms)
{
    unsigned at = 0;
    while (at < lease->count && lease->answers[at].id != id)
        at++;
    if (at == BOUND_PEERS)
        return; /* It does not count, which is safe. */
    if (at == lease->count)
        lease->answers[lease->count++] = (struct lease_answer){.id = id};
    if (sent_ms > lease->answers[at].sent_ms)
        lease->answers[at].sent_ms = sent_ms;
}

static uint64_t answered_ms(const struct lease *lease, uint64_t id)
{
    for (unsigned i = 0; i < lease->count; i++)
        if (lease->answers[i].id == id)
            return lease->answers[i].sent_ms;
    return 0;
}

uint64_t lease_until_ms(const struct lease *lease,
                        const struct raft_configuration *configuration,
                        uint64_t self, uint64_t now_ms,
                        uint64_t election_timeout_ms)
{
    uint64_t times[BOUND_PEERS]; /* Newest first. */
    unsigned voters = 0;
    for (unsigned i = 0; i < configuration->n && voters < BOUND_PEERS; i++) {
        const struct raft_server *server = &configuration->servers[i];
        if (server->role != RAFT_VOTER)
            continue;
        uint64_t time =
            server->id == self ? now_ms : answered_ms(lease, server->id);
        unsigned at = voters++;
        for (; at > 0 && times[at - 1] < time; at--)
            times[at] = times[at - 1];
        times[at] = time;
    }
    uint64_t since = voters == 0 ? 0 : times[voters / 2];
    return since == 0 ? 0
                      : since + election_timeout_ms -
                            election_timeout_ms / MARGIN_PART;
}
