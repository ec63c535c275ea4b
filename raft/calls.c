#include "raft/calls.h"

static struct call *slot_of(struct calls *calls, uint64_t id)
{
    return &calls->slots[id % BOUND_CALLS_WAITING];
}

uint64_t calls_add(struct calls *calls, const struct call *call)
{
    if (calls->count == BOUND_CALLS_WAITING)
        return 0;
    while (calls->slots[calls->next].id != 0)
        calls->next = (calls->next + 1) % BOUND_CALLS_WAITING;
    struct call *slot = &calls->slots[calls->next];
    *slot = *call;
    slot->id = ++calls->ids * BOUND_CALLS_WAITING + calls->next;
    calls->next = (calls->next + 1) % BOUND_CALLS_WAITING;
    if (calls->count++ == 0 || call->due_ms < calls->due_ms)
        calls->due_ms = call->due_ms;
    return slot->id;
}

static void take(struct calls *calls, struct call *slot, struct call *ret)
{
    *ret = *slot;
    *slot = (struct call){.id = 0};
    if (--calls->count == 0)
        calls->due_ms = 0;
}

bool calls_take(struct calls *calls, uint64_t id, struct call *ret)
{
    struct call *slot = slot_of(calls, id);
    if (id == 0 || slot->id != id)
        return false;
    take(calls, slot, ret);
    return true;
}

bool calls_take_due(struct calls *calls, uint64_t now_ms, struct call *ret)
{
    uint64_t next = UINT64_MAX;
    if (calls->count == 0 || now_ms < calls->due_ms)
        return false;
    for (unsigned i = 0; i < BOUND_CALLS_WAITING; i++) {
        struct call *slot = &calls->slots[i];
        if (slot->id != 0 && slot->due_ms <= now_ms) {
            take(calls, slot, ret);
            return true;
        }
        if (slot->id != 0 && slot->due_ms < next)
            next = slot->due_ms;
    }
    calls->due_ms = next;
    return false;
}

bool calls_take_node(struct calls *calls, uint32_t node_id, struct call *ret)
{
    for (unsigned i = 0; i < BOUND_CALLS_WAITING && calls->count > 0; i++) {
        struct call *slot = &calls->slots[i];
        if (slot->id == 0 || slot->node_id != node_id)
            continue;
        take(calls, slot, ret);
        return true;
    }
    return false;
}

bool calls_take_any(struct calls *calls, struct call *ret)
{
    for (unsigned i = 0; i < BOUND_CALLS_WAITING && calls->count > 0; i++)
        if (calls->slots[i].id != 0) {
            take(calls, &calls->slots[i], ret);
            return true;
        }
    return false;
}
