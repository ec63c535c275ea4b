#include "node.h"

#include "base/logger.h"
#include "node_inside.h"
#include "target_policy.h"

#include <signal.h>
#include <unistd.h>

/* What the events of this turn made possible goes out together. */
static void on_turn(uv_prepare_t *turn)
{
    struct node *node = turn->data;
    service_turn(node->service);
    dispatcher_turn(node->dispatcher);
    proposer_pump(node->proposer);
}

static int load_tokens(struct node *node, struct error *error)
{
    struct token_list list;
    if (node->settings->api_tokens_file == NULL)
        return 0;
    int rc = token_file_read(node->settings->api_tokens_file, &list, error);
    if (rc != 0)
        return rc;
    LOG_INFO("node", "tokens read",
             FIELD_TEXT("file", node->settings->api_tokens_file),
             FIELD_U64("tokens", list.count));
    token_book_set_file(node->tokens, &list);
    return 0;
}

/* What cannot be read leaves things as they are: a slip in a file neither
 * opens the API nor locks its users out. */
static void reload(struct node *node)
{
    struct error error = {0};
    if (logger_reopen(&error) != 0)
        LOG_ERROR("node", "the log goes on in the old file",
                  FIELD_TEXT("error", error.text));
    LOG_INFO("node", "SIGHUP: reloading");
    if (load_tokens(node, &error) != 0)
        LOG_ERROR("node", "the tokens stay as they were",
                  FIELD_TEXT("error", error.text));
    if (node->http != NULL)
        http_server_reload(node->http);
}

static void on_signal(uv_signal_t *handle, int number)
{
    struct node *node = handle->data;
    if (number == SIGHUP) {
        reload(node);
        return;
    }
    if (node->stopping) {
        LOG_WARN("node", "second signal: stopping at once");
        _exit(1);
    }
    LOG_INFO("node", "stopping", FIELD_U64("signal", number));
    node_stop(node);
}

/* ---- Starting ---- */

static void init_handles(struct node *node)
{
    static const int numbers[3] = {SIGTERM, SIGINT, SIGHUP};
    uv_async_init(&node->loop, &node->applied, node_on_applied);
    uv_prepare_init(&node->loop, &node->turn);
    uv_timer_init(&node->loop, &node->linger);
    uv_timer_init(&node->loop, &node->second);
    node->applied.data = node;
    node->linger.data = node;
    node->turn.data = node;
    node->second.data = node;
    for (unsigned i = 0; i < 3; i++) {
        uv_signal_init(&node->loop, &node->signals[i]);
        node->signals[i].data = node;
        uv_signal_start(&node->signals[i], on_signal, numbers[i]);
    }
    uv_prepare_start(&node->turn, on_turn);
}

/* A start that fails ends the process soon after: what runs already is left
 * to that, save the directory's lock. */
static int start(struct node *node, struct error *error)
{
    int rc = target_policy_fill(node->settings, &node->policy, error);
    node->tokens = token_book_new(node->settings->api_tokens_file != NULL);
    if (rc == 0)
        rc = load_tokens(node, error);
    if (rc == 0)
        rc = data_dir_open(node->settings->data_dir, &node->dir, error);
    if (rc == 0)
        rc = node_open_store(node, error);
    if (rc != 0)
        return rc;
    init_handles(node);
    node_make_parts(node);
    rc = node_open_cluster(node, error);
    if (rc != 0)
        return rc;
    store_watch_start(&node->watch, &node->loop, node->cluster,
                      node->settings->election_timeout_ms);
    node_make_service(node);
    return node_open_http(node, error);
}

int node_run(const struct settings *settings, struct error *error)
{
    /* Not freed when the start fails: the process ends, and what of it runs
     * already may still look at it. */
    static struct node the_node;
    struct node *node = &the_node;
    node->settings = settings;
    signal(SIGPIPE, SIG_IGN);
    node_share_descriptors(node);
    uv_loop_init(&node->loop);
    int rc = start(node, error);
    if (rc != 0)
        return rc;
    LOG_INFO("node", "started", FIELD_TEXT("version", POSTOFFICE_VERSION),
             FIELD_U64("node", settings->node_id),
             FIELD_TEXT("data", settings->data_dir));
    uv_run(&node->loop, UV_RUN_DEFAULT);
    uv_loop_close(&node->loop);
    node_free_parts(node);
    LOG_INFO("node", "stopped");
    return 0;
}
