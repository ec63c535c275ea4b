#include "mutants.h"

#include <string.h>

enum mutant mutant_now;

static const char *const names[] = {
#define X(name, text, words) text,
    MUTANTS(X)
#undef X
};

static const char *const descriptions[] = {
#define X(name, text, words) words,
    MUTANTS(X)
#undef X
};

enum mutant mutant_named(const char *name)
{
    int at = 0;
    while (at < MUTANT_COUNT && strcmp(names[at], name) != 0)
        at++;
    return (enum mutant)at;
}

const char *mutant_name(enum mutant mutant)
{
    return names[mutant];
}

const char *mutant_words(enum mutant mutant)
{
    return descriptions[mutant];
}
