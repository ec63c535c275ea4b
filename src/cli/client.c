#include "client.h"

#include "base/memory.h"
#include "path.h"
#include "terminal.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    CONNECT_SECONDS = 10,
    /* Longer than a node waits for a leader before it answers 503. */
    ANSWER_SECONDS = 60,
    /* A page of the largest messages has less; a stranger's endless answer is
     * cut here. */
    ANSWER_BYTES_MAX = 64 * 1024 * 1024,
};

struct client {
    CURL *easy;
    char *url;
    char *authorization; /* The header; NULL: none. */
    struct encoder body;
    json_t *json;
    char words[CURL_ERROR_SIZE];
};

static size_t on_answer(char *bytes, size_t size, size_t count, void *argument)
{
    struct client *client = argument;
    if (client->body.length + size * count > ANSWER_BYTES_MAX)
        return CURL_WRITEFUNC_ERROR;
    encoder_bytes(&client->body, slice_of(bytes, size * count));
    return size * count;
}

/* The flag, else the variable, else `otherwise`. */
static const char *setting(const struct invocation *invocation,
                           const char *flag, const char *variable,
                           const char *otherwise)
{
    const char *text = flag_text(invocation, flag);
    if (text == NULL)
        text = getenv(variable);
    return text == NULL || text[0] == '\0' ? otherwise : text;
}

static void take_url(struct client *client, const struct invocation *invocation)
{
    const char *url =
        setting(invocation, "url", "POSTOFFICE_URL", "http://127.0.0.1:4000");
    if (strncmp(url, "http://", 7) != 0 && strncmp(url, "https://", 8) != 0)
        usage_error(invocation,
                    "the URL is '%s', expected one such as "
                    "http://127.0.0.1:4000",
                    url);
    client->url = memory_text(url);
    size_t length = strlen(client->url);
    while (client->url[length - 1] == '/')
        client->url[--length] = '\0';
}

/* A line break in it would begin a header of its own. */
static void take_token(struct client *client,
                       const struct invocation *invocation)
{
    const char *token = setting(invocation, "token", "POSTOFFICE_TOKEN", NULL);
    if (token == NULL)
        return;
    for (const char *at = token; *at != '\0'; at++)
        if (*at <= ' ' || *at > '~')
            usage_error(invocation, "the token has characters that none has");
    struct encoder header = {0};
    encoder_print(&header, "authorization: Bearer %s", token);
    client->authorization = memory_text(encoder_text(&header));
    encoder_close(&header);
}

/* In place of the system's own: a PEM file, or NULL. */
static const char *find_authority(const struct invocation *invocation)
{
    const char *file =
        setting(invocation, "ca-file", "POSTOFFICE_CA_FILE", NULL);
    if (file != NULL && access(file, R_OK) != 0)
        usage_error(invocation, "the CA file %s: %s", file, strerror(errno));
    return file;
}

struct client *client_new(const struct invocation *invocation)
{
    const char *authority = find_authority(invocation);
    struct client *client = memory_new_zeroed(1, sizeof *client);
    take_url(client, invocation);
    take_token(client, invocation);
    curl_global_init(CURL_GLOBAL_DEFAULT);
    client->easy = curl_easy_init();
    CURL *easy = client->easy;
    if (authority != NULL)
        curl_easy_setopt(easy, CURLOPT_CAINFO, authority);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_answer);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, client);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, client->words);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT, (long)CONNECT_SECONDS);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT, (long)ANSWER_SECONDS);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_USERAGENT, "postoffice/" POSTOFFICE_VERSION);
    return client;
}

void client_free(struct client *client)
{
    if (client == NULL)
        return;
    curl_easy_cleanup(client->easy);
    curl_global_cleanup();
    encoder_close(&client->body);
    json_decref(client->json);
    free(client->authorization);
    free(client->url);
    free(client);
}

const char *client_url(const struct client *client)
{
    return client->url;
}

/* Headers of one request; the caller frees them. */
static struct curl_slist *make_headers(const struct client *client,
                                       const struct client_request *request)
{
    struct encoder line = {0};
    struct curl_slist *headers = NULL;
    encoder_print(&line, "content-type: %s",
                  request->type != NULL ? request->type : "application/json");
    headers = curl_slist_append(headers, encoder_text(&line));
    if (request->idempotency_key != NULL) {
        line.length = 0;
        encoder_print(&line, "idempotency-key: %s", request->idempotency_key);
        headers = curl_slist_append(headers, encoder_text(&line));
    }
    if (client->authorization != NULL)
        headers = curl_slist_append(headers, client->authorization);
    /* Else curl waits up to a second before it sends a large body. */
    headers = curl_slist_append(headers, "expect:");
    encoder_close(&line);
    return headers;
}

static CURLcode perform(struct client *client,
                        const struct client_request *request)
{
    CURL *easy = client->easy;
    struct encoder url = {0};
    struct curl_slist *headers = make_headers(client, request);
    encoder_print(&url, "%s%s", client->url, request->path);
    curl_easy_setopt(easy, CURLOPT_URL, encoder_text(&url));
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
    if (strcmp(request->method, "GET") == 0) {
        curl_easy_setopt(easy, CURLOPT_HTTPGET, 1L);
        curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, NULL);
    } else {
        curl_easy_setopt(easy, CURLOPT_POST, 1L);
        curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, request->method);
        curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE,
                         (curl_off_t)request->body.length);
        curl_easy_setopt(
            easy, CURLOPT_POSTFIELDS,
            request->body.length == 0 ? "" : (const char *)request->body.data);
    }
    CURLcode code = curl_easy_perform(easy);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, NULL);
    curl_slist_free_all(headers);
    encoder_close(&url);
    return code;
}

static enum client_failure failure_of(CURLcode code)
{
    switch (code) {
    case CURLE_OK:
        return CLIENT_ANSWERED;
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_COULDNT_CONNECT:
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
        return CLIENT_REFUSED;
    default:
        return CLIENT_BROKEN;
    }
}

struct answer client_call(struct client *client,
                          const struct client_request *request)
{
    struct answer answer = {.words = client->words};
    client->body.length = 0;
    client->words[0] = '\0';
    json_decref(client->json);
    client->json = NULL;
    CURLcode code = perform(client, request);
    answer.failure = failure_of(code);
    if (code != CURLE_OK) {
        if (client->words[0] == '\0')
            snprintf(client->words, sizeof client->words, "%s",
                     curl_easy_strerror(code));
        return answer;
    }
    curl_off_t wait_seconds = 0;
    curl_easy_getinfo(client->easy, CURLINFO_RESPONSE_CODE, &answer.status);
    curl_easy_getinfo(client->easy, CURLINFO_RETRY_AFTER, &wait_seconds);
    answer.retry_after_ms = (uint64_t)wait_seconds * 1000;
    answer.body = encoder_slice(&client->body);
    client->json =
        json_loadb((const char *)client->body.data, client->body.length,
                   JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
    answer.json = client->json;
    return answer;
}

/* ---- A command that asks once ---- */

void answer_print(const struct answer *answer)
{
    struct slice body = answer->body;
    struct encoder visible = {0};
    if (terminal_is_output()) {
        visible_json(&visible, body);
        body = encoder_slice(&visible);
    }
    fwrite(body.data, 1, body.length, stdout);
    if (body.length > 0 && body.data[body.length - 1] != '\n')
        putchar('\n');
    encoder_close(&visible);
}

int client_ask(const struct invocation *invocation, const char *method,
               struct encoder *path, json_t *body, answer_show *show)
{
    char *text = body == NULL ? NULL : json_dumps(body, JSON_COMPACT);
    struct client *client = client_new(invocation);
    struct answer answer =
        client_call(client, &(struct client_request){.method = method,
                                                     .path = encoder_text(path),
                                                     .body = slice_text(text)});
    bool good = answer.status >= 200 && answer.status <= 299;
    if (!good)
        client_report(client, invocation, &answer);
    else if (flag_given(invocation, "json"))
        answer_print(&answer);
    else
        show(invocation, json_object_get(answer.json, "data"));
    client_free(client);
    free(text);
    json_decref(body);
    encoder_close(path);
    return good ? STATUS_DONE : STATUS_FAILED;
}
