/* Moving the cursor verifies each record; what is left to do is to add up. */
#include "storage/verify.h"

#include "storage/state_hash.h"
#include "storage/view.h"

static int verify_database(struct view *view, enum database database,
                           struct verify_report *report, struct error *error)
{
    struct cursor cursor = {0};
    int rc = cursor_open(&view->transaction, database, &cursor, error);
    if (rc == 0)
        rc = cursor_seek(&cursor, slice_of(NULL, 0), error);
    while (rc == 0) {
        report->records++;
        report->bytes += cursor.key.length + cursor.content.length;
        if (database_replicated(database))
            state_hash_add(
                &report->hash,
                state_hash_term((uint8_t)database, cursor.key, cursor.content));
        rc = cursor_next(&cursor, error);
    }
    cursor_close(&cursor);
    return rc == ERR_END ? 0 : rc;
}

int verify_all(struct view *view, struct verify_report *ret_report,
               struct error *error)
{
    struct verify_report report = {0};
    for (int i = 0; i < DATABASE_COUNT; i++) {
        int rc = verify_database(view, (enum database)i, &report, error);
        if (rc != 0)
            return rc;
    }
    *ret_report = report;
    if (!state_hash_equal(report.hash, view_state_hash(view)))
        return error_set(error, ERR_CORRUPT,
                         "the state hash does not match the records: some "
                         "were lost or are old");
    return 0;
}
