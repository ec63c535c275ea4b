#include "trouble.h"

static bool may_tell(struct trouble *trouble, uint64_t now_ms)
{
    if (now_ms - trouble->window_ms >= TROUBLE_WINDOW_MS) {
        trouble->window_ms = now_ms;
        trouble->lines = 0;
    }
    if (trouble->lines == TROUBLE_LINES_MAX)
        return false;
    trouble->lines++;
    return true;
}

enum trouble_news trouble_note(struct trouble *trouble,
                               const struct attempt *attempt, uint64_t now_ms)
{
    bool succeeded = attempt->class == ATTEMPT_OK;
    uint16_t status = succeeded ? 0 : attempt->status;
    if ((trouble->class == attempt->class && trouble->status == status) ||
        !may_tell(trouble, now_ms))
        return TROUBLE_NO_NEWS;
    trouble->class = attempt->class;
    trouble->status = status;
    return succeeded ? TROUBLE_OVER : TROUBLE_FAILS;
}
