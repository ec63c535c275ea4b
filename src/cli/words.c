#include "words.h"

static void walk(struct encoder *out, struct encoder *path,
                 const struct subcommand *command, words_visitor *visit)
{
    visit(out, encoder_text(path), command);
    for (const struct subcommand *const *child = command->children;
         child != NULL && *child != NULL; child++) {
        size_t length = path->length;
        encoder_print(path, " %s", (*child)->name);
        walk(out, path, *child, visit);
        path->length = length;
    }
}

void words_walk(struct encoder *out, const struct subcommand *command,
                words_visitor *visit)
{
    struct encoder path = {0};
    encoder_print(&path, "%s", command->name);
    walk(out, &path, command, visit);
    encoder_close(&path);
}

/* Settings of `serve` say it by their word alone. */
bool words_is_file(const struct flag *flag)
{
    return flag->kind == FLAG_FILE ||
           (flag->value != NULL && strcmp(flag->value, "FILE") == 0);
}

bool words_is_folder(const struct flag *flag)
{
    return flag->kind == FLAG_FOLDER ||
           (flag->value != NULL && strcmp(flag->value, "DIR") == 0);
}

void words_choices(struct encoder *out, const struct flag *flag)
{
    const char *at = flag->value;
    if (at == NULL || strchr(at, '|') == NULL || flag->kind == FLAG_ID_OR_TIME)
        return;
    for (; *at != '\0'; at++)
        encoder_u8(out, *at == '|' ? ' ' : (uint8_t)*at);
}

bool words_takes_files(const struct subcommand *command)
{
    return command->arguments != NULL &&
           strcmp(command->arguments, "FILE") == 0;
}
