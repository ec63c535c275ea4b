#include "shell.h"

#include "base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

enum { PATIENCE_MS = 20000 };

void shell_make_directory(char path[256])
{
    snprintf(path, 256, "/tmp/postoffice-raft-XXXXXX");
    assert_non_null(mkdtemp(path));
}

void shell_remove_directory(const char *path)
{
    char command[300];
    snprintf(command, sizeof command, "rm -rf '%s'", path);
    assert_int_equal(system(command), 0);
}

static bool on_committed(void *context, const struct cluster_entry *entry)
{
    struct shell *shell = context;
    if (shell->refuse)
        return false;
    assert_true(entry->index > shell->last_index);
    if (shell->entries == 0)
        shell->first_index = entry->index;
    shell->last_index = entry->index;
    shell->entries++;
    shell->bytes += entry->bytes.length;
    if (shell->on_entry != NULL)
        shell->on_entry(shell, entry);
    return true;
}

static void on_leading(void *context, uint64_t term)
{
    struct shell *shell = context;
    shell->leading_term = term;
}

static void on_deposed(void *context)
{
    struct shell *shell = context;
    shell->leading_term = 0;
    shell->deposed++;
}

static void on_writable(void *context)
{
    struct shell *shell = context;
    shell->writable++;
}

static void on_failed(void *context, const struct error *error)
{
    struct shell *shell = context;
    shell->failed++;
    shell->error = *error;
}

void shell_init(struct shell *shell, const char *directory)
{
    *shell = (struct shell){.options = {
                                .directory = directory,
                                .node_id = 1,
                                .address = "127.0.0.1:4001",
                                .election_timeout_ms = 1000,
                                .heartbeat_ms = 100,
                                .segment_bytes = 64 * 1024,
                            }};
    assert_int_equal(uv_loop_init(&shell->loop), 0);
}

int shell_open(struct shell *shell)
{
    const struct cluster_callbacks callbacks = {
        .context = shell,
        .committed = on_committed,
        .leading = on_leading,
        .deposed = on_deposed,
        .writable = on_writable,
        .failed = on_failed,
    };
    shell->last_index = shell->options.applied_index;
    shell->closed = false;
    int rc = cluster_open(&shell->loop, &shell->options, &callbacks,
                          &shell->cluster, &shell->error);
    if (rc != 0) {
        shell->cluster = NULL;
        uv_run(&shell->loop, UV_RUN_NOWAIT);
        assert_int_equal(uv_loop_close(&shell->loop), 0);
    }
    return rc;
}

static void on_patience_end(uv_timer_t *timer)
{
    (void)timer;
    fail_msg("the condition did not come to hold");
}

void shell_run_until(struct shell *shell, bool (*holds)(struct shell *shell))
{
    uv_timer_t patience;
    uv_timer_init(&shell->loop, &patience);
    uv_update_time(&shell->loop);
    uv_timer_start(&patience, on_patience_end, PATIENCE_MS, 0);
    while (!holds(shell))
        uv_run(&shell->loop, UV_RUN_ONCE);
    uv_close((uv_handle_t *)&patience, NULL);
    uv_run(&shell->loop, UV_RUN_NOWAIT);
}

bool shell_can_submit(struct shell *shell)
{
    return cluster_can_submit(shell->cluster);
}

static bool leads(struct shell *shell)
{
    return shell->leading_term != 0;
}

void shell_lead(struct shell *shell)
{
    shell_run_until(shell, leads);
}

uint64_t shell_submit(struct shell *shell, const void *bytes, size_t length)
{
    uint64_t index = 0;
    struct buffer *buffer = buffer_new(length);
    assert_non_null(buffer);
    memcpy(buffer->data, bytes, length);
    buffer->length = length;
    int rc = ERR_BUSY;
    while (rc == ERR_BUSY || (rc == ERR_NOT_LEADER && shell->failed == 0)) {
        rc = cluster_submit(shell->cluster, buffer, &index);
        if (rc == ERR_BUSY || rc == ERR_NOT_LEADER)
            uv_run(&shell->loop, UV_RUN_ONCE);
    }
    if (rc != 0) {
        buffer_unref(buffer);
        return 0;
    }
    while (!cluster_can_submit(shell->cluster) && shell->failed == 0)
        uv_run(&shell->loop, UV_RUN_ONCE);
    return index;
}

static void on_closed(void *context)
{
    struct shell *shell = context;
    shell->closed = true;
}

void shell_close(struct shell *shell)
{
    cluster_close(shell->cluster, on_closed, shell);
    uv_run(&shell->loop, UV_RUN_DEFAULT);
    assert_true(shell->closed);
    assert_int_equal(uv_loop_close(&shell->loop), 0);
    shell->cluster = NULL;
}
