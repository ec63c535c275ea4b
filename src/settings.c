#include "settings.h"

#include "base/host.h"
#include "base/memory.h"
#include "delivery/address_policy.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum kind {
    KIND_TEXT,
    /* Repeatable, at most `most` times. */
    KIND_ADDRESSES,
    KIND_RANGES,
    KIND_POLICY,
    KIND_MEMBERS,
    KIND_U32,
    KIND_U64,
    KIND_SWITCH,
    KIND_LEVEL,
    KIND_FORMAT,
};

struct setting {
    const char *name;
    const char *value;    /* The word for the value in --help; NULL: none. */
    const char *standard; /* The default as text; NULL: none. */
    enum kind kind;
    size_t offset;
    uint64_t least;
    uint64_t most;
    const char *help;
    const char *also; /* Another environment variable that is read. */
};

#define AT(field) offsetof(struct settings, field)
#define GIB (1024ull * 1024 * 1024)

static const struct setting table[] = {
    {"listen", "HOST:PORT", "127.0.0.1:4000", KIND_ADDRESSES, AT(listen), 0,
     SETTINGS_LISTEN_MAX,
     "address of the HTTP API, web admin, probes and metrics; repeatable",
     NULL},
    {"data-dir", "DIR", "./data", KIND_TEXT, AT(data_dir), 0, 0,
     "everything that the node keeps; one process at a time", NULL},
    {"node-id", "N", NULL, KIND_U32, AT(node_id), 1, 65535,
     "the node's id, kept for life (default: 1; in Kubernetes the host "
     "name's ordinal + 1)",
     NULL},
    {"raft-listen", "HOST:PORT", "127.0.0.1:4001", KIND_TEXT, AT(raft_listen),
     0, 0, "address of the Raft transport", NULL},
    {"raft-advertise", "HOST:PORT", NULL, KIND_TEXT, AT(raft_advertise), 0, 0,
     "what peers dial (default: the listen address)", NULL},
    {"advertise-url", "URL", NULL, KIND_TEXT, AT(advertise_url), 0, 0,
     "this node's API as others see it (default: from --listen)", NULL},
    {"initial-cluster", "1=HOST:PORT,2=...", NULL, KIND_MEMBERS, AT(members), 0,
     0,
     "the first members, the same on each of them; ignored once the data "
     "directory holds state (default: this node alone)",
     NULL},
    {"cluster-secret-file", "FILE", NULL, KIND_TEXT, AT(cluster_secret_file), 0,
     0,
     "what nodes prove to each other that they know; or its value in "
     "POSTOFFICE_CLUSTER_SECRET",
     NULL},
    {"election-timeout-ms", "MS", "1000", KIND_U32, AT(election_timeout_ms), 50,
     60000, "how long a leader may be silent", NULL},
    {"heartbeat-ms", "MS", "100", KIND_U32, AT(heartbeat_ms), 5, 10000,
     "how often a leader speaks", NULL},
    {"api-tokens-file", "FILE", NULL, KIND_TEXT, AT(api_tokens_file), 0, 0,
     "who may use the API: one token a line, as `postoffice token create "
     "--file` writes them; read again at SIGHUP",
     NULL},
    {"tls-cert", "FILE", NULL, KIND_TEXT, AT(tls_certificate), 0, 0,
     "serve the API with TLS: the certificate and those between it and its "
     "root, PEM; read again at SIGHUP",
     NULL},
    {"tls-key", "FILE", NULL, KIND_TEXT, AT(tls_key), 0, 0,
     "the private key of --tls-cert, PEM, without a passphrase", NULL},
    {"insecure-no-auth", NULL, "false", KIND_SWITCH, AT(insecure_no_auth), 0, 0,
     "allow an API that is reachable from other hosts without tokens", NULL},
    {"target-policy", "default|strict", "default", KIND_POLICY,
     AT(target_strict), 0, 0,
     "which addresses deliveries may reach; strict: neither loopback nor "
     "private ones",
     NULL},
    {"target-allow", "CIDR", NULL, KIND_RANGES, AT(target_allow), 0,
     BOUND_TARGET_RANGES,
     "addresses that deliveries may reach in any case; repeatable", NULL},
    {"target-deny", "CIDR", NULL, KIND_RANGES, AT(target_deny), 0,
     BOUND_TARGET_RANGES,
     "addresses that deliveries may never reach; repeatable", NULL},
    {"target-ca", "FILE", NULL, KIND_TEXT, AT(target_ca), 0, 0,
     "certificates (PEM) that targets are trusted by, beside the system's",
     "SSL_CERT_FILE"},
    {"drain-seconds", "S", "10", KIND_U32, AT(drain_seconds), 0, 3600,
     "how long deliveries in flight may take to end at SIGTERM", NULL},
    {"max-bulk-messages", "N", "3000", KIND_U32, AT(max_bulk_messages), 1,
     100000, "messages in one bulk request", "MAX_BULK_MESSAGES"},
    {"max-body-bytes", "BYTES", "16777216", KIND_U64, AT(max_body_bytes), 1024,
     32 * 1024 * 1024, "a request's body; larger ones get 413", NULL},
    {"max-message-bytes", "BYTES", "1048576", KIND_U64, AT(max_message_bytes),
     64, 16 * 1024 * 1024,
     "one message's payload, attributes and key; larger ones get 413", NULL},
    {"retention", "SECONDS", "604800", KIND_U64, AT(retention_seconds), 1,
     36500 * 86400ull,
     "how long settled messages are kept and can be found; a topic may have "
     "its own",
     "CLEAN_MESSAGES_THRESHOLD"},
    {"max-store-bytes", "BYTES", "68719476736", KIND_U64, AT(max_store_bytes),
     16 * 1024 * 1024, 64 * 1024 * GIB,
     "the store's largest size; near it publishing gets 507", NULL},
    {"min-free-bytes", "BYTES", "1073741824", KIND_U64, AT(min_free_bytes), 0,
     64 * 1024 * GIB, "below so much free disk space publishing gets 507",
     NULL},
    {"log-level", "LEVEL", "info", KIND_LEVEL, AT(log_level), 0, 0,
     "debug, info, warn or error", NULL},
    {"log-format", "FORMAT", NULL, KIND_FORMAT, AT(log_format), 0, 0,
     "text or json (default: text on a terminal, else json)", NULL},
    {"print-config", NULL, "false", KIND_SWITCH, AT(print_config), 0, 0,
     "print every setting with its value and source, and exit", NULL},
};
enum { SETTINGS = sizeof table / sizeof table[0] };

/* Words that are kept for life. */
static struct arena texts;

/* Where each value came from: "default", "flag" or "env NAME". */
static char sources[SETTINGS][80];
static bool from_flag[SETTINGS];

static const char *environment_name(const struct setting *setting, char *name,
                                    size_t size)
{
    snprintf(name, size, "POSTOFFICE_%s", setting->name);
    for (char *c = name; *c != '\0'; c++)
        *c = (char)(*c == '-' ? '_' : toupper((unsigned char)*c));
    return name;
}

static bool parse_number(const char *text, const struct setting *setting,
                         uint64_t *ret_number)
{
    char *end;
    errno = 0;
    if (!isdigit((unsigned char)text[0]))
        return false;
    unsigned long long number = strtoull(text, &end, 10);
    if (errno != 0 || *end != '\0' || number < setting->least ||
        number > setting->most)
        return false;
    *ret_number = number;
    return true;
}

static bool parse_switch(const char *text, bool *ret_on)
{
    *ret_on = strcmp(text, "true") == 0 || strcmp(text, "1") == 0;
    return *ret_on || strcmp(text, "false") == 0 || strcmp(text, "0") == 0;
}

static bool parse_level(const char *text, enum logger_level *ret_level)
{
    static const char *const names[] = {"debug", "info", "warn", "error"};
    for (unsigned i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(text, names[i]) == 0) {
            *ret_level = (enum logger_level)i;
            return true;
        }
    }
    return false;
}

/* HOST:PORT, [v6]:PORT; the port from 0 to 65535. */
static bool looks_like_address(const char *text)
{
    const char *colon = strrchr(text, ':');
    if (colon == NULL || colon == text || colon[1] == '\0')
        return false;
    char *end;
    unsigned long port = strtoul(colon + 1, &end, 10);
    return isdigit((unsigned char)colon[1]) && *end == '\0' && port <= 65535;
}

static bool looks_like_range(const char *text)
{
    struct address_range range;
    return address_range_parse(text, &range, NULL) == 0;
}

static bool is_list(const struct setting *setting)
{
    return setting->kind == KIND_ADDRESSES || setting->kind == KIND_RANGES;
}

/* Lists: a flag adds to those before it; a variable holds a comma list. */
static bool add_to_list(struct setting_list *list,
                        const struct setting *setting, const char *text)
{
    char *rest = (char *)arena_copy(&texts, slice_text(text)).data;
    char *word;
    while ((word = strsep(&rest, ",")) != NULL) {
        bool sound = setting->kind == KIND_RANGES ? looks_like_range(word)
                                                  : looks_like_address(word);
        if (!sound || list->count == setting->most)
            return false;
        list->texts[list->count++] = word;
    }
    return true;
}

/* "1=a:1,2=b:2": ids and addresses, each once. */
static bool set_members(struct settings *settings, const char *text)
{
    char *rest = (char *)arena_copy(&texts, slice_text(text)).data;
    char *word;
    settings->member_count = 0;
    while ((word = strsep(&rest, ",")) != NULL) {
        char *end;
        unsigned long id = strtoul(word, &end, 10);
        if (!isdigit((unsigned char)word[0]) || *end != '=' || id < 1 ||
            id > 65535 || !looks_like_address(end + 1) ||
            settings->member_count == SETTINGS_MEMBERS_MAX)
            return false;
        for (uint32_t i = 0; i < settings->member_count; i++) {
            if (settings->members[i].id == id ||
                strcmp(settings->members[i].address, end + 1) == 0)
                return false;
        }
        settings->members[settings->member_count++] =
            (struct settings_member){.id = (uint32_t)id, .address = end + 1};
    }
    return true;
}

static bool set_value(struct settings *settings, const struct setting *setting,
                      const char *text)
{
    void *field = (char *)settings + setting->offset;
    uint64_t number;
    switch (setting->kind) {
    case KIND_TEXT:
        *(const char **)field = text;
        return text[0] != '\0';
    case KIND_ADDRESSES:
    case KIND_RANGES:
        return add_to_list(field, setting, text);
    case KIND_POLICY:
        *(bool *)field = strcmp(text, "strict") == 0;
        return *(bool *)field || strcmp(text, "default") == 0;
    case KIND_MEMBERS:
        return set_members(settings, text);
    case KIND_U32:
        if (!parse_number(text, setting, &number))
            return false;
        *(uint32_t *)field = (uint32_t)number;
        return true;
    case KIND_U64:
        return parse_number(text, setting, field);
    case KIND_SWITCH:
        return parse_switch(text, field);
    case KIND_LEVEL:
        return parse_level(text, field);
    case KIND_FORMAT:
        *(enum logger_format *)field =
            strcmp(text, "json") == 0 ? LOGGER_JSON : LOGGER_TEXT;
        return strcmp(text, "json") == 0 || strcmp(text, "text") == 0;
    }
    return false;
}

static void expected(const struct setting *setting, char *text, size_t size)
{
    if (setting->kind == KIND_U32 || setting->kind == KIND_U64)
        snprintf(text, size, "a number from %llu to %llu",
                 (unsigned long long)setting->least,
                 (unsigned long long)setting->most);
    else
        snprintf(text, size, "%s",
                 setting->value != NULL ? setting->value : "true or false");
}

/* The StatefulSet's pod N-ordinal is node ordinal + 1. */
static uint32_t standard_node_id(void)
{
    char host[256] = "";
    if (getenv("KUBERNETES_SERVICE_HOST") == NULL ||
        gethostname(host, sizeof host - 1) != 0)
        return 1;
    const char *dash = strrchr(host, '-');
    if (dash == NULL || !isdigit((unsigned char)dash[1]))
        return 1;
    char *end;
    unsigned long ordinal = strtoul(dash + 1, &end, 10);
    return *end == '\0' && ordinal < 65535 ? (uint32_t)ordinal + 1 : 1;
}

static void set_standards(struct settings *settings)
{
    *settings = (struct settings){
        .node_id = standard_node_id(),
        .log_format = isatty(STDERR_FILENO) ? LOGGER_TEXT : LOGGER_JSON,
    };
    for (unsigned i = 0; i < SETTINGS; i++) {
        snprintf(sources[i], sizeof sources[i], "default");
        if (table[i].standard == NULL || is_list(&table[i]))
            continue;
        bool taken = set_value(settings, &table[i], table[i].standard);
        assert(taken);
        (void)taken;
    }
}

static void read_environment(struct settings *settings)
{
    for (unsigned i = 0; i < SETTINGS; i++) {
        char own[64];
        const char *name = environment_name(&table[i], own, sizeof own);
        const char *text = getenv(name);
        if (text == NULL && table[i].also != NULL) {
            name = table[i].also;
            text = getenv(name);
        }
        if (text == NULL || text[0] == '\0')
            continue;
        snprintf(sources[i], sizeof sources[i], "env %s", name);
        if (!set_value(settings, &table[i], text)) {
            char words[96];
            expected(&table[i], words, sizeof words);
            fprintf(stderr, "postoffice: %s is '%s', expected %s\n", name, text,
                    words);
            exit(2);
        }
    }
}

struct flag settings_flags[SETTINGS + 1];

void settings_init(void)
{
    static char helps[SETTINGS][256];
    for (unsigned i = 0; i < SETTINGS; i++) {
        const char *standard = table[i].standard;
        bool shown = standard != NULL && table[i].kind != KIND_SWITCH;
        snprintf(helps[i], sizeof helps[i], shown ? "%s (default: %s)" : "%s",
                 table[i].help, standard);
        settings_flags[i] = (struct flag){
            .name = table[i].name,
            .kind = table[i].kind == KIND_SWITCH ? FLAG_SWITCH : FLAG_TEXT,
            .value = table[i].value,
            .repeated = is_list(&table[i]),
            .help = helps[i],
        };
    }
}

static void take_flag(struct settings *settings, unsigned i, const char *text,
                      const struct invocation *invocation)
{
    if (is_list(&table[i]) && !from_flag[i]) {
        /* A flag beats the variable. */
        void *field = (char *)settings + table[i].offset;
        ((struct setting_list *)field)->count = 0;
    }
    from_flag[i] = true;
    snprintf(sources[i], sizeof sources[i], "flag");
    if (!set_value(settings, &table[i], text == NULL ? "true" : text)) {
        char words[96];
        expected(&table[i], words, sizeof words);
        usage_error(invocation, "--%s is '%s', expected %s", table[i].name,
                    text == NULL ? "" : text, words);
    }
}

void settings_parse(struct settings *settings,
                    const struct invocation *invocation)
{
    set_standards(settings);
    read_environment(settings);
    for (unsigned i = 0; i < invocation->value_count; i++) {
        const struct invocation_value *value = &invocation->values[i];
        take_flag(settings, (unsigned)(value->flag - settings_flags),
                  value->text, invocation);
    }
    if (settings->listen.count == 0)
        add_to_list(&settings->listen, &table[0], table[0].standard);
}

static void print_list(const struct setting_list *list, FILE *to)
{
    for (uint32_t i = 0; i < list->count; i++)
        fprintf(to, "%s%s", i == 0 ? "" : ",", list->texts[i]);
}

static void print_value(const struct settings *settings,
                        const struct setting *setting, FILE *to)
{
    static const char *const levels[] = {"debug", "info", "warn", "error"};
    const void *field = (const char *)settings + setting->offset;
    switch (setting->kind) {
    case KIND_TEXT:
        fputs(*(const char *const *)field == NULL ? ""
                                                  : *(const char *const *)field,
              to);
        break;
    case KIND_ADDRESSES:
    case KIND_RANGES:
        print_list(field, to);
        break;
    case KIND_POLICY:
        fputs(settings->target_strict ? "strict" : "default", to);
        break;
    case KIND_MEMBERS:
        for (uint32_t i = 0; i < settings->member_count; i++)
            fprintf(to, "%s%u=%s", i == 0 ? "" : ",", settings->members[i].id,
                    settings->members[i].address);
        break;
    case KIND_U32:
        fprintf(to, "%u", *(const uint32_t *)field);
        break;
    case KIND_U64:
        fprintf(to, "%llu", (unsigned long long)*(const uint64_t *)field);
        break;
    case KIND_SWITCH:
        fputs(*(const bool *)field ? "true" : "false", to);
        break;
    case KIND_LEVEL:
        fputs(levels[settings->log_level], to);
        break;
    case KIND_FORMAT:
        fputs(settings->log_format == LOGGER_JSON ? "json" : "text", to);
        break;
    }
}

void settings_print(const struct settings *settings, FILE *to)
{
    for (unsigned i = 0; i < SETTINGS; i++) {
        fprintf(to, "%s\t", table[i].name);
        print_value(settings, &table[i], to);
        fprintf(to, "\t%s\n", sources[i]);
    }
    const char *secret = getenv("POSTOFFICE_CLUSTER_SECRET");
    if (secret != NULL && secret[0] != '\0')
        fputs("cluster-secret\t***\tenv POSTOFFICE_CLUSTER_SECRET\n", to);
}

static bool is_loopback(const char *listen)
{
    return host_is_loopback(host_of(slice_text(listen)));
}

bool settings_is_local(const struct settings *settings)
{
    for (uint32_t i = 0; i < settings->listen.count; i++)
        if (!is_loopback(settings->listen.texts[i]))
            return false;
    return true;
}

enum { SECRET_BYTES_MIN = 16, SECRET_BYTES_MAX = 4096 };

static int read_secret(const char *path, char *text, size_t *ret_length,
                       struct error *error)
{
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return error_system(error, errno, "--cluster-secret-file %s", path);
    *ret_length = fread(text, 1, SECRET_BYTES_MAX + 1, file);
    int rc = 0;
    if (ferror(file))
        rc = error_system(error, errno, "read %s", path);
    fclose(file);
    return rc;
}

int settings_secret(const struct settings *settings, struct slice *ret_secret,
                    struct error *error)
{
    static char text[SECRET_BYTES_MAX + 1];
    const char *given = getenv("POSTOFFICE_CLUSTER_SECRET");
    size_t length = 0;
    *ret_secret = slice_of(NULL, 0);
    if (settings->cluster_secret_file != NULL) {
        int rc =
            read_secret(settings->cluster_secret_file, text, &length, error);
        if (rc != 0)
            return rc;
    } else if (given != NULL && given[0] != '\0') {
        length = strnlen(given, sizeof text);
        memcpy(text, given, length);
    } else {
        return 0;
    }
    size_t start = 0;
    while (length > start && isspace((unsigned char)text[length - 1]))
        length--;
    while (start < length && isspace((unsigned char)text[start]))
        start++;
    if (length - start < SECRET_BYTES_MIN || length > SECRET_BYTES_MAX)
        return error_set(error, ERR_INVALID,
                         "the cluster secret must have %d to %d bytes",
                         SECRET_BYTES_MIN, SECRET_BYTES_MAX);
    *ret_secret = slice_of(text + start, length - start);
    return 0;
}

/* This node is one of the members it names, under its own address. */
static int check_members(const struct settings *settings, struct error *error)
{
    bool found = settings->member_count == 0;
    for (uint32_t i = 0; i < settings->member_count; i++)
        found |= settings->members[i].id == settings->node_id;
    return found ? 0
                 : error_set(error, ERR_INVALID,
                             "--initial-cluster does not name --node-id %u",
                             settings->node_id);
}

int settings_check(const struct settings *settings, struct error *error)
{
    if (check_members(settings, error) != 0)
        return error->code;
    if (settings->heartbeat_ms * 3 > settings->election_timeout_ms)
        return error_set(error, ERR_INVALID,
                         "--heartbeat-ms (%u) must be at most a third of "
                         "--election-timeout-ms (%u)",
                         settings->heartbeat_ms, settings->election_timeout_ms);
    if (settings->max_message_bytes > settings->max_body_bytes)
        return error_set(error, ERR_INVALID,
                         "--max-message-bytes is larger than "
                         "--max-body-bytes");
    if ((settings->tls_certificate == NULL) != (settings->tls_key == NULL))
        return error_set(error, ERR_INVALID,
                         "--tls-cert and --tls-key need each other: give both");
    if (!looks_like_address(settings->raft_listen))
        return error_set(error, ERR_INVALID,
                         "--raft-listen is '%s', expected HOST:PORT",
                         settings->raft_listen);
    if (settings->target_ca != NULL && access(settings->target_ca, R_OK) != 0)
        return error_set(error, ERR_INVALID,
                         "--target-ca (or SSL_CERT_FILE): %s: %s",
                         settings->target_ca, strerror(errno));
    for (uint32_t i = 0; i < settings->listen.count; i++) {
        const char *listen = settings->listen.texts[i];
        if (!settings->insecure_no_auth && settings->api_tokens_file == NULL &&
            !is_loopback(listen))
            return error_set(
                error, ERR_INVALID,
                "--listen %s would open the API to other hosts without "
                "tokens: give --api-tokens-file (`postoffice token create "
                "--file` makes one), or say --insecure-no-auth if that is "
                "meant",
                listen);
    }
    return 0;
}
