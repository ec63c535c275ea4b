#include "storage/model.h"

/* Without a default, so that the compiler names a value that is missing; a
 * number from elsewhere is checked where it is decoded. */
#define TEXT_CASE(name, number, text)                                          \
    case name:                                                                 \
        return text;

const char *attempt_class_text(enum attempt_class class)
{
    switch (class) {
        ATTEMPT_CLASSES(TEXT_CASE)
    }
    return "unknown";
}

const char *delivery_state_text(enum delivery_state state)
{
    switch (state) {
        DELIVERY_STATES(TEXT_CASE)
    }
    return "unknown";
}
