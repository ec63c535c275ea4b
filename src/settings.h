/* settings.h - everything that `postoffice serve` can be told.
 *
 * Each setting is a flag and an environment variable (--raft-listen is
 * POSTOFFICE_RAFT_LISTEN); flag beats variable beats default. One table holds
 * name, default, kind and help; parsing, --help, --print-config and the
 * checks all read it.
 * Thread: main, before the loop runs. */
#ifndef POSTOFFICE_SETTINGS_H
#define POSTOFFICE_SETTINGS_H

#include "base/bounds.h"
#include "base/error.h"
#include "base/logger.h"
#include "base/slice.h"
#include "cli/invocation.h"

#include <stdint.h>
#include <stdio.h>

enum { SETTINGS_LISTEN_MAX = 16, SETTINGS_MEMBERS_MAX = 7 };

/* Of a setting that may be given more than once. */
struct setting_list {
    const char *texts[BOUND_TARGET_RANGES];
    uint32_t count;
};

struct settings_member {
    uint32_t id;
    const char *address; /* host:port */
};

struct settings {
    struct setting_list listen;
    const char *data_dir;
    uint32_t node_id;
    const char *raft_listen;
    const char *raft_advertise; /* NULL: as raft_listen. */
    const char *advertise_url;  /* NULL: from the first listen address. */
    struct settings_member members[SETTINGS_MEMBERS_MAX]; /* The first ones;
                                                           * none: alone. */
    uint32_t member_count;
    const char *cluster_secret_file; /* NULL: none. */
    uint32_t election_timeout_ms;
    uint32_t heartbeat_ms;
    const char *api_tokens_file; /* NULL: none. */
    const char *tls_certificate; /* NULL: the API is served without TLS. */
    const char *tls_key;
    bool insecure_no_auth;
    bool target_strict;               /* --target-policy strict */
    struct setting_list target_allow; /* Addresses and ranges. */
    struct setting_list target_deny;
    const char *target_ca; /* A file; NULL: none. */
    uint32_t drain_seconds;
    uint32_t max_bulk_messages;
    uint64_t max_body_bytes;
    uint64_t max_message_bytes;
    uint64_t retention_seconds;
    uint64_t max_store_bytes;
    uint64_t min_free_bytes;
    enum logger_level log_level;
    enum logger_format log_format;
    bool print_config;
};

/* The flags of `serve`, for its description; ends with a NULL name. Empty
 * until settings_init() has filled them from the table of settings. */
extern struct flag settings_flags[];
void settings_init(void);

/* Reads the environment, then the flags. What cannot be used is named on
 * standard error, and the program ends (2). The strings live as long as argv
 * and the environment. */
void settings_parse(struct settings *settings,
                    const struct invocation *invocation);

/* One line a setting: name, value, source, with tabs between them; secrets
 * masked. */
void settings_print(const struct settings *settings, FILE *to);

/* The cluster secret, from its file or from POSTOFFICE_CLUSTER_SECRET, without
 * white space at its ends; ret_secret empty when there is none. It lives as
 * long as the program. ERR_INVALID, ERR_IO. */
int settings_secret(const struct settings *settings, struct slice *ret_secret,
                    struct error *error);

/* What no single setting shows: bounds between them, and that the API is not
 * open to the world unasked. ERR_INVALID with words. */
int settings_check(const struct settings *settings, struct error *error);

/* Whether other hosts cannot reach the API. */
bool settings_is_local(const struct settings *settings);

#endif
