#include "abdication.h"

#include <assert.h>

int abdication_begin(struct abdication *abdication,
                     struct leadership *leadership, uint32_t heir, bool stay,
                     uint64_t until_ms)
{
    if (abdication->state != ABDICATION_IDLE && stay)
        return ERR_BUSY;
    abdication->stay = stay;
    abdication->heir = heir;
    abdication->until_ms = until_ms;
    /* Who has been asked already is waited for. */
    if (abdication->state == ABDICATION_IDLE) {
        abdication->state = ABDICATION_DRAINING;
        abdication->drained = false;
    }
    leadership_drain(leadership);
    return 0;
}

bool abdication_may_ask(struct abdication *abdication,
                        const struct leadership *leadership, uint64_t now_ms)
{
    if (abdication->state != ABDICATION_DRAINING)
        return false;
    abdication->drained = leadership_is_drained(leadership);
    if (!abdication->drained && now_ms < abdication->until_ms)
        return false;
    abdication->state = ABDICATION_ASKING;
    return true;
}

void abdication_ended(struct abdication *abdication,
                      struct leadership *leadership, uint64_t wall_ms)
{
    assert(abdication->state == ABDICATION_ASKING);
    abdication->state = ABDICATION_IDLE;
    if (abdication->stay)
        leadership_resume(leadership, wall_ms);
}
