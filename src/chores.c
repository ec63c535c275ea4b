#include "chores.h"

#include "base/memory.h"

#include <stdlib.h>

enum {
    PURGE_PAUSE_MS = 20,
    REPLAY_PAUSE_MS = 5,
    EXPIRE_PAUSE_MS = 20,
    EXPIRE_IDLE_MS = 5000,
};

enum chore_number { PURGE, REPLAY, EXPIRE, CHORES };

static const struct chore_kind kinds[CHORES] = {
    [PURGE] = {"purge", look_purge, PURGE_PAUSE_MS, 0},
    [REPLAY] = {"replay", look_replay, REPLAY_PAUSE_MS, 0},
    [EXPIRE] = {"retention", look_expire, EXPIRE_PAUSE_MS, EXPIRE_IDLE_MS},
};

struct chores {
    struct chore *all[CHORES];
    bool leading;
    bool clock_distrusted;
    unsigned open;
    void (*closed)(void *context);
    void *closed_context;
};

struct chores *chores_new(const struct chore_parts *parts,
                          const struct chores_settings *settings)
{
    struct chores *chores = memory_new_zeroed(1, sizeof *chores);
    for (unsigned i = 0; i < CHORES; i++)
        chores->all[i] =
            chore_new(&kinds[i], parts, settings->retention_seconds);
    chores->open = CHORES;
    return chores;
}

void chores_lead(struct chores *chores)
{
    chores->leading = true;
    for (unsigned i = 0; i < CHORES; i++)
        if (i != EXPIRE || !chores->clock_distrusted)
            chore_wake(chores->all[i]);
}

void chores_stop(struct chores *chores)
{
    chores->leading = false;
    for (unsigned i = 0; i < CHORES; i++)
        chore_stop(chores->all[i]);
}

void chores_trust_clock(struct chores *chores, bool trusted)
{
    chores->clock_distrusted = !trusted;
    if (trusted && chores->leading)
        chore_wake(chores->all[EXPIRE]);
    else
        chore_stop(chores->all[EXPIRE]);
}

void chores_applied(struct chores *chores, const struct command *command)
{
    if (command->type == COMMAND_PUBLISHER_DELETE ||
        command->type == COMMAND_TOPIC_DELETE)
        chore_wake(chores->all[PURGE]);
    else if (command->type == COMMAND_REPLAY_START)
        chore_wake(chores->all[REPLAY]);
}

static void on_closed(void *context)
{
    struct chores *chores = context;
    if (--chores->open > 0)
        return;
    void (*closed)(void *) = chores->closed;
    void *closed_context = chores->closed_context;
    free(chores);
    closed(closed_context);
}

void chores_close(struct chores *chores, void (*closed)(void *context),
                  void *context)
{
    chores->closed = closed;
    chores->closed_context = context;
    for (unsigned i = 0; i < CHORES; i++)
        chore_close(chores->all[i], on_closed, chores);
}
