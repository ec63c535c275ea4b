#include "client.h"

#include "base/codec.h"
#include "base/memory.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    CONNECT_SECONDS = 10,
    ANSWER_SECONDS = 60,
    ANSWER_BYTES_MAX = 64 * 1024 * 1024,
    KEY_URL = 0x1000,
    KEY_TOKEN,
};

struct client {
    CURL *easy;
    struct curl_slist *headers;
    char *url;
    struct encoder answer;
    char error[CURL_ERROR_SIZE];
};

static error_t parse_option(int key, char *text, struct argp_state *state)
{
    struct client_options *options = state->input;
    switch (key) {
    case KEY_URL:
        options->url = text;
        return 0;
    case KEY_TOKEN:
        options->token = text;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_option option_table[] = {
    {"url", KEY_URL, "URL", 0,
     "the node's API (default: POSTOFFICE_URL, or http://127.0.0.1:4000)", 0},
    {"token", KEY_TOKEN, "TOKEN", 0,
     "the API token (default: POSTOFFICE_TOKEN)", 0},
    {0},
};

const struct argp client_argp = {.options = option_table,
                                 .parser = parse_option};

void client_options_init(struct client_options *options)
{
    options->url = getenv("POSTOFFICE_URL");
    options->token = getenv("POSTOFFICE_TOKEN");
    if (options->url == NULL || options->url[0] == '\0')
        options->url = "http://127.0.0.1:4000";
}

static size_t on_answer(char *bytes, size_t size, size_t count, void *argument)
{
    struct client *client = argument;
    if (client->answer.length + size * count > ANSWER_BYTES_MAX)
        return CURL_WRITEFUNC_ERROR;
    encoder_bytes(&client->answer, slice_of(bytes, size * count));
    return size * count;
}

struct client *client_new(const struct client_options *options)
{
    struct client *client = memory_new_zeroed(1, sizeof *client);
    curl_global_init(CURL_GLOBAL_DEFAULT);
    client->easy = curl_easy_init();
    client->url = memory_text(options->url);
    size_t length = strlen(client->url);
    while (length > 0 && client->url[length - 1] == '/')
        client->url[--length] = '\0';
    client->headers = curl_slist_append(NULL, "content-type: application/json");
    if (options->token != NULL && options->token[0] != '\0') {
        char header[512];
        snprintf(header, sizeof header, "authorization: Bearer %s",
                 options->token);
        client->headers = curl_slist_append(client->headers, header);
    }
    CURL *easy = client->easy;
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, client->headers);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_answer);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, client);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, client->error);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT, (long)CONNECT_SECONDS);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT, (long)ANSWER_SECONDS);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    return client;
}

void client_free(struct client *client)
{
    if (client == NULL)
        return;
    curl_easy_cleanup(client->easy);
    curl_slist_free_all(client->headers);
    curl_global_cleanup();
    encoder_close(&client->answer);
    free(client->url);
    free(client);
}

long client_request(struct client *client, const char *method, const char *path,
                    struct slice body, json_t **ret_answer)
{
    CURL *easy = client->easy;
    size_t size = strlen(client->url) + strlen(path) + 1;
    char *url = memory_new(size);
    snprintf(url, size, "%s%s", client->url, path);
    client->answer.length = 0;
    client->error[0] = '\0';
    curl_easy_setopt(easy, CURLOPT_URL, url);
    if (strcmp(method, "GET") == 0) {
        curl_easy_setopt(easy, CURLOPT_HTTPGET, 1L);
    } else {
        curl_easy_setopt(easy, CURLOPT_POST, 1L);
        curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE,
                         (curl_off_t)body.length);
        curl_easy_setopt(easy, CURLOPT_POSTFIELDS, body.data);
    }
    CURLcode code = curl_easy_perform(easy);
    free(url);
    *ret_answer = NULL;
    if (code != CURLE_OK) {
        if (client->error[0] == '\0')
            snprintf(client->error, sizeof client->error, "%s",
                     curl_easy_strerror(code));
        return 0;
    }
    long status = 0;
    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
    *ret_answer = json_loadb((const char *)client->answer.data,
                             client->answer.length, JSON_DECODE_ANY, NULL);
    return status;
}

const char *client_error(const struct client *client)
{
    return client->error;
}

void client_report(const struct client *client, long status,
                   const json_t *answer)
{
    if (status == 0) {
        fprintf(stderr, "postoffice: no answer from %s: %s\n", client->url,
                client->error);
        return;
    }
    const char *detail = json_string_value(json_object_get(answer, "detail"));
    const char *title = json_string_value(json_object_get(answer, "title"));
    if (detail == NULL)
        detail = title != NULL ? title : "the answer has no words";
    fprintf(stderr, "postoffice: %s answered %ld: %s\n", client->url, status,
            detail);
}
