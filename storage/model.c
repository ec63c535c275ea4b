#include "storage/model.h"

#include "base/bounds.h"
#include "base/codec.h"
#include "base/error.h"

#include <assert.h>
#include <xxhash.h>

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

const char *role_text(enum role role)
{
    switch (role) {
        ROLES(TEXT_CASE)
    }
    return "unknown";
}

bool role_find(struct slice text, enum role *ret_role)
{
    static const enum role roles[] = {ROLE_PUBLISH, ROLE_READ, ROLE_OPERATE,
                                      ROLE_ADMIN};
    for (size_t i = 0; i < sizeof roles / sizeof *roles; i++) {
        if (slice_is(text, role_text(roles[i]))) {
            *ret_role = roles[i];
            return true;
        }
    }
    return false;
}

/* Letters, digits, and these. */
static bool is_plain(struct slice name, size_t most, const char *also)
{
    for (size_t i = 0; i < name.length; i++) {
        uint8_t byte = name.data[i];
        bool letter = (byte | 0x20) >= 'a' && (byte | 0x20) <= 'z';
        bool digit = byte >= '0' && byte <= '9';
        if (!letter && !digit && memchr(also, byte, strlen(also)) == NULL)
            return false;
    }
    return name.length >= 1 && name.length <= most;
}

bool topic_name_is_valid(struct slice name)
{
    return is_plain(name, BOUND_TOPIC_NAME, "._~-");
}

bool token_name_is_valid(struct slice name)
{
    return is_plain(name, BOUND_TOKEN_NAME, "._-");
}

const char *token_fault(const struct token *token, const char **ret_field)
{
    *ret_field = "name";
    if (!token_name_is_valid(token->name))
        return "is not 1 to 64 letters, digits, '.', '_' or '-'";
    if (slice_is(token->name, "anonymous") || slice_is(token->name, "system"))
        return "is reserved";
    *ret_field = "topics";
    if (token->role == ROLE_ADMIN && token->topics.length > 0)
        return "cannot limit an admin, who may make other tokens";
    return NULL;
}

uint64_t key_hash(struct slice key)
{
    if (key.length == 0)
        return 0;
    uint64_t hash = XXH3_64bits(key.data, key.length);
    return hash == 0 ? 1 : hash;
}

void text_list_add(struct encoder *out, struct slice text)
{
    assert(text.length <= UINT16_MAX);
    encoder_u16(out, (uint16_t)text.length);
    encoder_bytes(out, text);
}

int text_list_next(struct slice *list, struct slice *ret_text)
{
    if (list->length == 0)
        return ERR_END;
    struct decoder in = decoder_of(*list);
    uint16_t length = decoder_u16(&in);
    struct slice text = decoder_bytes(&in, length);
    if (in.failed)
        return ERR_CORRUPT;
    list->data += in.offset;
    list->length -= in.offset;
    *ret_text = text;
    return 0;
}

bool text_list_has(struct slice list, struct slice text)
{
    struct slice each;
    while (text_list_next(&list, &each) == 0)
        if (slice_equal(each, text))
            return true;
    return false;
}
