/* Probes. Each asks more than the one before: live, ready, writable; none
 * looks at targets. With ?verbose a line says how each check stands. */
#include "http/resources.h"

static const char text_type[] = "text/plain; charset=utf-8";

struct check {
    const char *name;
    bool passed;
    const char *reason; /* Why not; may be NULL. */
};

static void write_line(struct encoder *out, const struct check *check)
{
    encoder_bytes(out, slice_text(check->passed ? "[+]" : "[-]"));
    encoder_bytes(out, slice_text(check->name));
    encoder_bytes(out, slice_text(check->passed ? " ok" : " failed"));
    if (!check->passed && check->reason != NULL) {
        encoder_bytes(out, slice_text(": "));
        encoder_bytes(out, slice_text(check->reason));
    }
    encoder_u8(out, '\n');
}

/* The last of the checks decides, those before it explain. */
static void probe(struct request *request, unsigned count)
{
    const struct backend *backend = request_backend(request);
    struct backend_status status = {0};
    backend->status(backend->context, &status);
    const struct check checks[] = {
        {"live", status.live, status.live_reason},
        {"ready", status.ready, status.ready_reason},
        {"write", status.writable, status.writable_reason},
    };
    bool passed = true;
    struct slice value;
    bool verbose = query_string_get(&request->query, "verbose", &value);
    for (unsigned i = 0; i < count; i++) {
        passed = passed && checks[i].passed;
        if (verbose || !checks[i].passed)
            write_line(&request->answer, &checks[i]);
    }
    if (passed && !verbose)
        encoder_bytes(&request->answer, slice_text("ok\n"));
    request_send(request, passed ? 200 : 503, text_type);
}

void health_live(struct request *request)
{
    probe(request, 1);
}

void health_ready(struct request *request)
{
    probe(request, 2);
}

void health_write(struct request *request)
{
    probe(request, 3);
}

/* /livez in the original's form. */
void health_get(struct request *request)
{
    const struct backend *backend = request_backend(request);
    struct backend_status status = {0};
    backend->status(backend->context, &status);
    struct json_writer json = json_writer_of(&request->answer);
    json_write_begin(&json, '{');
    json_member_string(&json, "status", status.live ? "ok" : "ko");
    json_write_end(&json, '}');
    request_send_json(request, status.live ? 200 : 503);
}
