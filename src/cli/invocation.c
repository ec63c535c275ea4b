/* Arguments, parsed by argp from the tables of subcommand.h. */
#include "invocation.h"

#include "base/memory.h"
#include "path.h"

#include <argp.h>
#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    KEY_FIRST = 0x1000,     /* Of flags without a letter. */
    NUMBER_DIGITS_MAX = 18, /* Fits what JSON libraries take for integers. */
};

/* ---- The tables that argp reads ---- */

/* The parser's input: the command's flags with the common ones behind. */
struct parse {
    struct invocation *invocation;
    const struct flag *flags[FLAGS_MAX];
    struct argp_option entries[FLAGS_MAX + 1];
    unsigned count;
};

static int key_of(const struct parse *parse, unsigned index)
{
    char letter = parse->flags[index]->letter;
    return letter != 0 ? letter : KEY_FIRST + (int)index;
}

static void make_entries(struct parse *parse)
{
    parse->count = subcommand_flags(parse->invocation->command, parse->flags);
    for (unsigned i = 0; i < parse->count; i++) {
        const struct flag *flag = parse->flags[i];
        parse->entries[i] = (struct argp_option){.name = flag->name,
                                                 .key = key_of(parse, i),
                                                 .arg = flag->value,
                                                 .doc = flag->help,
                                                 .group = flag->group};
    }
}

/* ---- What is given ---- */

static bool is_one_of(const char *text, const char *words)
{
    size_t length = strlen(text);
    while (true) {
        size_t word = strcspn(words, "|");
        if (word == length && memcmp(words, text, length) == 0)
            return true;
        if (words[word] == '\0')
            return false;
        words += word + 1;
    }
}

bool is_number(const char *text)
{
    size_t length = strlen(text);
    return length > 0 && length <= NUMBER_DIGITS_MAX &&
           strspn(text, "0123456789") == length;
}

static bool is_json(const char *text)
{
    json_t *value = json_loads(
        text, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);
    json_decref(value);
    return value != NULL;
}

/* "a|b|c" as people say it: "a, b or c". The last call's is kept. */
static const char *choice_words(const char *choices)
{
    static char words[256];
    size_t length = 0;
    for (; *choices != '\0' && length + 4 < sizeof words; choices++) {
        const char *between = strchr(choices + 1, '|') != NULL ? ", " : " or ";
        if (*choices != '|')
            words[length++] = *choices;
        else
            length += (size_t)snprintf(words + length, sizeof words - length,
                                       "%s", between);
    }
    words[length] = '\0';
    return words;
}

/* What was expected instead; NULL: the text is fine. Empty text means the
 * flag's default, where a request is made of it. */
static const char *expected(const struct flag *flag, const char *text)
{
    if (text[0] == '\0' && flag->place == PLACE_BODY)
        return NULL;
    switch (flag->kind) {
    case FLAG_CHOICE:
        return is_one_of(text, flag->value) ? NULL : choice_words(flag->value);
    case FLAG_BOOLEAN:
        return is_one_of(text, "true|false") ? NULL : "true or false";
    case FLAG_NUMBER:
        return is_number(text) ? NULL : "a whole number";
    case FLAG_JSON:
        return is_json(text) ? NULL : "JSON";
    case FLAG_PAIR:
        return strchr(text, '=') > text ? NULL : "NAME=VALUE";
    case FLAG_SWITCH:
    case FLAG_TEXT:
    case FLAG_LIST:
    case FLAG_ID_OR_TIME:
    case FLAG_FILE:
    case FLAG_FOLDER:
        break;
    }
    return NULL;
}

static void take_flag(struct parse *parse, unsigned index, const char *text,
                      struct argp_state *state)
{
    struct invocation *invocation = parse->invocation;
    const struct flag *flag = parse->flags[index];
    if (invocation->value_count == INVOCATION_VALUES_MAX)
        argp_error(state, "more than %d flags", INVOCATION_VALUES_MAX);
    const char *wanted = text == NULL ? NULL : expected(flag, text);
    if (wanted != NULL)
        argp_error(state, "--%s is '%s', expected %s", flag->name, text,
                   wanted);
    invocation->values[invocation->value_count++] =
        (struct invocation_value){.flag = flag, .text = text};
}

/* The word of `arguments` at this place; its length 0: there is none. */
static struct slice argument_word(const struct subcommand *command,
                                  unsigned index)
{
    const char *at = command->arguments == NULL ? "" : command->arguments;
    for (; index > 0 && *at != '\0'; index--) {
        at += strcspn(at, " ");
        at += strspn(at, " ");
    }
    return slice_of(at, strcspn(at, " "));
}

static void take_argument(struct invocation *invocation, const char *text,
                          struct argp_state *state)
{
    unsigned index = invocation->argument_count;
    if (index == INVOCATION_ARGUMENTS_MAX ||
        argument_word(invocation->command, index).length == 0)
        argp_error(state, "unexpected argument '%s'", text);
    invocation->arguments[invocation->argument_count++] = text;
}

static void check_complete(const struct parse *parse, struct argp_state *state)
{
    struct invocation *invocation = parse->invocation;
    struct slice word =
        argument_word(invocation->command, invocation->argument_count);
    if (word.length > 0 && word.data[0] != '[')
        argp_error(state, "%.*s is missing", (int)word.length,
                   (const char *)word.data);
    for (unsigned i = 0; i < parse->count; i++)
        if (parse->flags[i]->required &&
            !flag_given(invocation, parse->flags[i]->name))
            argp_error(state, "--%s is missing", parse->flags[i]->name);
}

static error_t parse_flag(int key, char *text, struct argp_state *state)
{
    struct parse *parse = state->input;
    if (key == ARGP_KEY_ARG) {
        take_argument(parse->invocation, text, state);
        return 0;
    }
    if (key == ARGP_KEY_END) {
        check_complete(parse, state);
        return 0;
    }
    for (unsigned i = 0; i < parse->count; i++) {
        if (key_of(parse, i) == key) {
            take_flag(parse, i, text, state);
            return 0;
        }
    }
    return ARGP_ERR_UNKNOWN;
}

void invocation_parse(struct invocation *invocation, int argc, char **argv)
{
    const struct subcommand *command = invocation->command;
    struct parse parse = {.invocation = invocation};
    struct encoder doc = {0};
    make_entries(&parse);
    encoder_print(&doc, "%c%s.", toupper((unsigned char)command->summary[0]),
                  command->summary + 1);
    if (command->detail != NULL)
        encoder_print(&doc, "\v%s", command->detail);
    /* Of an empty list glibc's help leaks two small pieces. */
    const struct argp argp = {.options = parse.count > 0 ? parse.entries : NULL,
                              .parser = parse_flag,
                              .args_doc = command->arguments,
                              .doc = encoder_text(&doc)};
    argp_err_exit_status = STATUS_USAGE;
    argp_parse(&argp, argc, argv, 0, NULL, &parse);
    encoder_close(&doc);
}

/* ---- Asked by the commands ---- */

static void assert_described(const struct invocation *invocation,
                             const char *name)
{
    const struct flag *flags[FLAGS_MAX];
    unsigned count = subcommand_flags(invocation->command, flags);
    bool found = false;
    for (unsigned i = 0; i < count; i++)
        found |= strcmp(flags[i]->name, name) == 0;
    assert(found);
}

static const struct invocation_value *
last_value(const struct invocation *invocation, const char *name)
{
    assert_described(invocation, name);
    for (unsigned i = invocation->value_count; i-- > 0;)
        if (strcmp(invocation->values[i].flag->name, name) == 0)
            return &invocation->values[i];
    return NULL;
}

bool flag_given(const struct invocation *invocation, const char *name)
{
    return last_value(invocation, name) != NULL;
}

const char *flag_text(const struct invocation *invocation, const char *name)
{
    const struct invocation_value *value = last_value(invocation, name);
    return value == NULL ? NULL : value->text;
}

uint64_t flag_number(const struct invocation *invocation, const char *name,
                     uint64_t otherwise)
{
    const char *text = flag_text(invocation, name);
    return text == NULL ? otherwise : strtoull(text, NULL, 10);
}

const char *argument_at(const struct invocation *invocation, unsigned index)
{
    return index < invocation->argument_count ? invocation->arguments[index]
                                              : NULL;
}

void usage_error(const struct invocation *invocation, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fprintf(stderr, "%s: ", invocation->path);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fprintf(stderr, "\nTry `%s --help' for more information.\n",
            invocation->path);
    exit(STATUS_USAGE);
}
