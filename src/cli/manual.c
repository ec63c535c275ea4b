/* The manual page, in the macros of man(7). */
#include "completion.h"

#include <ctype.h>

/* Text of a paragraph: a line that begins with a dot would be a request, a
 * dash is one to be copied, a backslash itself. */
static void add_text(struct encoder *out, const char *text)
{
    bool first = true;
    for (; *text != '\0'; text++) {
        if (first && (*text == '.' || *text == '\''))
            encoder_bytes(out, slice_text("\\&"));
        if (*text == '\\')
            encoder_bytes(out, slice_text("\\e"));
        else if (*text == '-')
            encoder_bytes(out, slice_text("\\-"));
        else if (*text == '`')
            encoder_bytes(out, slice_text("\\(oq"));
        else
            encoder_u8(out, (uint8_t)*text);
        first = *text == '\n';
    }
}

static void add_sentence(struct encoder *out, const char *summary)
{
    char first[] = {(char)toupper((unsigned char)summary[0]), '\0'};
    add_text(out, first);
    add_text(out, summary + 1);
    encoder_print(out, ".\n");
}

static void add_flag(struct encoder *out, const struct flag *flag)
{
    encoder_print(out, ".TP\n");
    if (flag->letter != '\0')
        encoder_print(out, "\\fB\\-%c\\fR, ", flag->letter);
    encoder_print(out, "\\fB\\-\\-");
    add_text(out, flag->name);
    encoder_print(out, "\\fR");
    if (flag->value != NULL) {
        encoder_print(out, "=\\fI");
        add_text(out, flag->value);
        encoder_print(out, "\\fR");
    }
    encoder_u8(out, '\n');
    add_text(out, flag->help);
    encoder_print(out, "%s\n", flag->required ? " (must be given)" : "");
}

static void add_command(struct encoder *out, const char *path,
                        const struct subcommand *command)
{
    const struct flag *flags[FLAGS_MAX];
    unsigned count = subcommand_flags(command, flags);
    if (command->children != NULL)
        return;
    encoder_print(out, ".SS \"");
    add_text(out, path);
    encoder_print(out, " [OPTION...]");
    if (command->arguments != NULL) {
        encoder_u8(out, ' ');
        add_text(out, command->arguments);
    }
    encoder_print(out, "\"\n");
    add_sentence(out, command->summary);
    if (command->detail != NULL) {
        add_text(out, command->detail);
        encoder_u8(out, '\n');
    }
    for (unsigned i = 0; i < count; i++)
        if (flags[i]->group == 0)
            add_flag(out, flags[i]);
    if (command->talks)
        encoder_print(out, ".PP\nIt has the common options too.\n");
}

/* The same for every command that talks to a node; any one tells them. */
static void add_common(struct encoder *out)
{
    const struct flag *flags[FLAGS_MAX];
    unsigned count = subcommand_flags(&command_status, flags);
    for (unsigned i = 0; i < count; i++)
        if (flags[i]->group != 0)
            add_flag(out, flags[i]);
}

void manual_page(struct encoder *out, const struct subcommand *root)
{
    static const char description[] =
        ".SH DESCRIPTION\n"
        "\\fBpostoffice serve\\fR runs a node. The other commands talk to a "
        "running node's API.\n"
        "On a terminal, tables are as wide as it is, and states have "
        "colours unless NO_COLOR is set.\n"
        "An option may be shortened while it is clear which is meant.\n"
        ".SH COMMON OPTIONS\n"
        "Every command that talks to a node has these.\n";
    static const char end[] =
        ".SH EXIT STATUS\n"
        ".TP\n0\nDone.\n"
        ".TP\n1\nFailed, or refused by the node; words are on standard error.\n"
        ".TP\n2\nWrong usage.\n"
        ".TP\n3\n\\fBsend\\fR stopped before the end of its input.\n"
        ".SH ENVIRONMENT\n"
        ".TP\nPOSTOFFICE_URL, POSTOFFICE_TOKEN, POSTOFFICE_CA_FILE\n"
        "What \\fB\\-\\-url\\fR, \\fB\\-\\-token\\fR and "
        "\\fB\\-\\-ca\\-file\\fR are "
        "otherwise.\n"
        ".TP\nNO_COLOR\nAny value: no colours.\n"
        ".TP\nCOLUMNS\nThe width of tables where there is no terminal "
        "(default: 80).\n"
        ".PP\nEach setting of \\fBserve\\fR is a variable too: "
        "\\fB\\-\\-raft\\-listen\\fR is POSTOFFICE_RAFT_LISTEN.\n"
        ".SH EXAMPLES\n"
        ".nf\n"
        "postoffice serve \\-\\-data\\-dir /var/lib/postoffice\n"
        "postoffice topic create orders \\-\\-origin\\-host example.com\n"
        "postoffice publisher create \\-t orders \\-\\-target "
        "http://127.0.0.1:8000/\n"
        "postoffice send \\-t orders \\(aq{\"hello\": \"world\"}\\(aq\n"
        "postoffice send \\-\\-resume mark \\- < messages.ndjson\n"
        "postoffice search \\-\\-state dead \\-\\-all\n"
        ".fi\n";
    encoder_print(out,
                  ".\\\" Made by `postoffice manual'.\n"
                  ".TH POSTOFFICE 1 \"\" \"postoffice %s\" \"User Commands\"\n"
                  ".SH NAME\npostoffice \\- ",
                  POSTOFFICE_VERSION);
    add_text(out, root->summary);
    encoder_print(out, "\n.SH SYNOPSIS\n.B postoffice\n.I COMMAND\n"
                       "[\\fIOPTION\\fR...]\n");
    encoder_bytes(out, slice_text(description));
    add_common(out);
    encoder_print(out, ".SH COMMANDS\n");
    words_walk(out, root, add_command);
    encoder_bytes(out, slice_text(end));
}
