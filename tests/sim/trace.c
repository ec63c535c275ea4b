#include "trace.h"

#include "world.h"

#include <stdio.h>

static const char *const words[] = {
#define X(name, text) text,
    TRACES(X)
#undef X
};

static uint64_t mix(uint64_t hash, uint64_t value)
{
    hash = (hash ^ value) * 0x9e3779b97f4a7c15u;
    return hash ^ hash >> 29;
}

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"

static void print(const struct world *world, enum trace_kind kind, uint64_t a,
                  uint64_t b, uint64_t c, uint64_t d)
{
    printf("[%6lu] ", (unsigned long)world->timeline.now_ms);
    printf(words[kind], (unsigned long)a, (unsigned long)b, (unsigned long)c,
           (unsigned long)d);
    putchar('\n');
}

#pragma GCC diagnostic pop

void trace(struct world *world, enum trace_kind kind, uint64_t a, uint64_t b,
           uint64_t c, uint64_t d)
{
    uint64_t hash = mix(world->result->hash, (uint64_t)kind);
    hash = mix(hash, world->timeline.now_ms);
    hash = mix(mix(hash, a), b);
    world->result->hash = mix(mix(hash, c), d);
    if (world->options.trace)
        print(world, kind, a, b, c, d);
}
