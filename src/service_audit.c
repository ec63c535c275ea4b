/* Who changed what. */
#include "service_inside.h"

static int run_audit(struct service_read *read, struct view *view,
                     struct error *error)
{
    struct audit_page *page = arena_take(&read->job.arena, sizeof *page);
    read->result.audit = page;
    return query_audit(view, &read->audit, &read->job.arena, page, error);
}

void service_audit_list(void *context, uint64_t ticket,
                        enum backend_consistency consistency,
                        const struct audit_query *query)
{
    struct service_read *read = service_read_new(context, ticket, run_audit);
    read->audit = *query;
    read->audit.who = arena_copy(&read->kept, query->who);
    read->audit.action = arena_copy(&read->kept, query->action);
    read->audit.subject = arena_copy(&read->kept, query->subject);
    service_read_submit(read, consistency);
}
