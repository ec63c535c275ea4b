/* Completions for zsh: the same look-up, then _arguments with each flag's
 * help beside it. */
#include "completion.h"

/* Text within '...[HERE]': brackets and colons have a meaning for _arguments,
 * quotes for the shell. */
static void add_help(struct encoder *out, const char *help)
{
    for (; *help != '\0'; help++) {
        if (*help == '\'')
            encoder_bytes(out, slice_text("'\\''"));
        else if (strchr("[]:\\", *help) != NULL)
            encoder_print(out, "\\%c", *help);
        else
            encoder_u8(out, (uint8_t)*help);
    }
}

static void add_action(struct encoder *out, const struct flag *flag)
{
    struct encoder choices = {0};
    words_choices(&choices, flag);
    encoder_u8(out, ':');
    add_help(out, flag->value);
    encoder_u8(out, ':');
    if (words_is_file(flag))
        encoder_print(out, "_files");
    else if (words_is_folder(flag))
        encoder_print(out, "_files -/");
    else if (choices.length > 0)
        encoder_print(out, "(%s)", encoder_text(&choices));
    encoder_close(&choices);
}

static void add_flag(struct encoder *out, const struct flag *flag,
                     const char *form)
{
    encoder_print(out, "            '%s%s", flag->repeated ? "*" : "", form);
    if (flag->value != NULL && form[1] == '-')
        encoder_u8(out, '=');
    encoder_u8(out, '[');
    add_help(out, flag->help);
    encoder_u8(out, ']');
    if (flag->value != NULL)
        add_action(out, flag);
    encoder_print(out, "' \\\n");
}

static void add_flags(struct encoder *out, const struct subcommand *command)
{
    const struct flag *flags[FLAGS_MAX];
    unsigned count = subcommand_flags(command, flags);
    encoder_print(out, "        _arguments -S \\\n");
    for (unsigned i = 0; i < count; i++) {
        struct encoder form = {0};
        encoder_print(&form, "--%s", flags[i]->name);
        add_flag(out, flags[i], encoder_text(&form));
        if (flags[i]->letter != '\0') {
            const char letter[] = {'-', flags[i]->letter, '\0'};
            add_flag(out, flags[i], letter);
        }
        encoder_close(&form);
    }
    encoder_print(out, "            '--help[give this help list]'");
    if (command->arguments != NULL) {
        encoder_print(out, " \\\n            '*:");
        add_help(out, command->arguments);
        encoder_print(out, ":%s'", words_takes_files(command) ? "_files" : "");
    }
    encoder_print(out, " ;;\n");
}

static void add_children(struct encoder *out, const struct subcommand *group)
{
    encoder_print(out, "        commands=(\n");
    for (const struct subcommand *const *child = group->children;
         *child != NULL; child++) {
        encoder_print(out, "            '%s:", (*child)->name);
        add_help(out, (*child)->summary);
        encoder_print(out, "'\n");
    }
    encoder_print(out, "        )\n        _describe command commands ;;\n");
}

static void add_place(struct encoder *out, const char *path,
                      const struct subcommand *command)
{
    encoder_print(out, "    (\"%s\")\n", path);
    if (command->children != NULL)
        add_children(out, command);
    else
        add_flags(out, command);
}

static void add_path(struct encoder *out, const char *path,
                     const struct subcommand *command)
{
    (void)command;
    if (strchr(path, ' ') != NULL)
        encoder_print(out, "        (\"%s\") place=$next; depth=$i ;;\n", path);
}

void completion_zsh(struct encoder *out, const struct subcommand *root)
{
    static const char begin[] = "#compdef postoffice\n"
                                "# Completions of postoffice for zsh, made by "
                                "`postoffice completion zsh'.\n"
                                "_postoffice() {\n"
                                "    local place=postoffice next\n"
                                "    local -a commands\n"
                                "    integer i depth=1\n"
                                "    for ((i = 2; i < CURRENT; i++)); do\n"
                                "        next=\"$place ${words[i]}\"\n"
                                "        case $next in\n";
    static const char middle[] =
        "        esac\n"
        "    done\n"
        "    # What is left is a command with flags of its own.\n"
        "    words=(\"${(@)words[depth,-1]}\")\n"
        "    (( CURRENT -= depth - 1 ))\n"
        "    case $place in\n";
    static const char end[] = "    esac\n"
                              "}\n"
                              "_postoffice \"$@\"\n";
    encoder_bytes(out, slice_text(begin));
    words_walk(out, root, add_path);
    encoder_bytes(out, slice_text(middle));
    words_walk(out, root, add_place);
    encoder_bytes(out, slice_text(end));
}
