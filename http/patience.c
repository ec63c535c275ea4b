#include "http/patience.h"

bool patience_ends(const struct patience *patience, enum activity activity,
                   uint64_t since_ms, uint64_t now_ms, size_t bytes)
{
    uint64_t passed = now_ms < since_ms ? 0 : now_ms - since_ms;
    uint64_t earned = patience->grace_ms +
                      (uint64_t)bytes * 1000 / patience->bytes_per_second;
    switch (activity) {
    case IDLE:
        return passed >= patience->idle_ms;
    case RECEIVING:
    case SENDING:
        return passed >= earned;
    case WAITING:
    case STREAMING:
        break;
    }
    return false;
}
