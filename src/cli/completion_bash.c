/* Completions for bash: one function that looks up the command that the line
 * has come to, then what may follow there. */
#include "completion.h"

/* The pattern of the command line up to one of its flags. */
static void add_patterns(struct encoder *out, const char *path,
                         const struct flag *flag)
{
    encoder_print(out, "    \"%s --%s\"", path, flag->name);
    if (flag->letter != '\0')
        encoder_print(out, " | \"%s -%c\"", path, flag->letter);
    encoder_print(out, ")");
}

/* What follows a flag that takes a value. */
static void add_values(struct encoder *out, const char *path,
                       const struct subcommand *command)
{
    const struct flag *flags[FLAGS_MAX];
    unsigned count = subcommand_flags(command, flags);
    for (unsigned i = 0; i < count; i++) {
        struct encoder choices = {0};
        if (flags[i]->value == NULL)
            continue;
        add_patterns(out, path, flags[i]);
        words_choices(&choices, flags[i]);
        if (words_is_file(flags[i]))
            encoder_print(out, " kind=file ;;\n");
        else if (words_is_folder(flags[i]))
            encoder_print(out, " kind=directory ;;\n");
        else
            encoder_print(out, " kind=value words=\"%s\" ;;\n",
                          encoder_text(&choices));
        encoder_close(&choices);
    }
}

/* What follows otherwise: commands, or flags. */
static void add_words(struct encoder *out, const char *path,
                      const struct subcommand *command)
{
    const struct flag *flags[FLAGS_MAX];
    unsigned count = subcommand_flags(command, flags);
    encoder_print(out, "    \"%s\")", path);
    if (words_takes_files(command))
        encoder_print(out, " kind=argument");
    encoder_print(out, " words=\"");
    for (const struct subcommand *const *child = command->children;
         child != NULL && *child != NULL; child++)
        encoder_print(out, "%s ", (*child)->name);
    for (unsigned i = 0; i < count; i++)
        encoder_print(out, "--%s ", flags[i]->name);
    encoder_print(out, "--help\" ;;\n");
}

static void add_path(struct encoder *out, const char *path,
                     const struct subcommand *command)
{
    (void)command;
    if (strchr(path, ' ') != NULL)
        encoder_print(out, "        \"%s\") place=$next ;;\n", path);
}

void completion_bash(struct encoder *out, const struct subcommand *root)
{
    static const char begin[] =
        "# Completions of postoffice for bash, made by "
        "`postoffice completion bash'.\n"
        "_postoffice() {\n"
        "    local current=${COMP_WORDS[COMP_CWORD]} place=postoffice next i\n"
        "    local last=${COMP_WORDS[COMP_CWORD - 1]} kind='' words=''\n"
        "    # --flag=value comes as three words.\n"
        "    if [[ $current == = ]]; then\n"
        "        current=''\n"
        "    elif [[ $last == = ]]; then\n"
        "        last=${COMP_WORDS[COMP_CWORD - 2]}\n"
        "    fi\n"
        "    for ((i = 1; i < COMP_CWORD; i++)); do\n"
        "        next=\"$place ${COMP_WORDS[i]}\"\n"
        "        case $next in\n";
    static const char values[] = "        esac\n"
                                 "    done\n"
                                 "    case \"$place $last\" in\n";
    static const char others[] = "    esac\n"
                                 "    [[ $kind ]] || case $place in\n";
    static const char end[] =
        "    esac\n"
        "    [[ $kind == argument && $current != -* ]] && kind=file\n"
        "    case $kind in\n"
        "    file) compopt -o filenames\n"
        "        mapfile -t COMPREPLY < <(compgen -f -- \"$current\") ;;\n"
        "    directory) compopt -o filenames\n"
        "        mapfile -t COMPREPLY < <(compgen -d -- \"$current\") ;;\n"
        "    *) mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$current\")"
        " ;;\n"
        "    esac\n"
        "}\n"
        "complete -F _postoffice postoffice\n";
    encoder_bytes(out, slice_text(begin));
    words_walk(out, root, add_path);
    encoder_bytes(out, slice_text(values));
    words_walk(out, root, add_values);
    encoder_bytes(out, slice_text(others));
    words_walk(out, root, add_words);
    encoder_bytes(out, slice_text(end));
}
