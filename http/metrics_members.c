/* Every node tells of every member, so that what one of them says when another
 * is down is there too. At most BACKEND_MEMBERS_MAX series a family. */
#include "http/metrics_members.h"

#include <inttypes.h>
#include <string.h>

static void say_family(struct encoder *out, const char *name, const char *help)
{
    encoder_print(out, "# HELP postoffice_%s %s\n# TYPE postoffice_%s gauge\n",
                  name, help, name);
}

static void say_member(struct encoder *out, const char *name,
                       const struct backend_member *member, uint64_t value)
{
    encoder_print(out, "postoffice_%s{member=\"%" PRIu32 "\"} %" PRIu64 "\n",
                  name, member->id, value);
}

static void tell_build(struct encoder *out, const struct backend_status *status)
{
    say_family(out, "build_info", "1, with the program's version as label.");
    encoder_print(out, "postoffice_build_info{version=\"%s\"} 1\n",
                  POSTOFFICE_VERSION);
    say_family(out, "node_info", "1, with who this node is as labels.");
    encoder_print(
        out, "postoffice_node_info{node=\"%" PRIu32 "\",cluster_id=\"%s\"} 1\n",
        status->node_id, status->cluster_id);
}

/* A place in the cluster that is not filled well. */
static bool is_missing(const struct backend_member *member)
{
    return strcmp(member->state, "leader") != 0 &&
           strcmp(member->state, "follower") != 0;
}

void metrics_write_members(struct encoder *out,
                           const struct backend_status *status)
{
    const struct backend_member *members = status->members;
    tell_build(out, status);
    say_family(out, "member_up",
               "1 while this node hears of that member and it keeps up with "
               "the log.");
    for (uint32_t i = 0; i < status->member_count; i++)
        say_member(out, "member_up", &members[i], !is_missing(&members[i]));
    say_family(out, "member_is_voter", "1 for a member that votes.");
    for (uint32_t i = 0; i < status->member_count; i++)
        say_member(out, "member_is_voter", &members[i], members[i].voter);
    say_family(out, "member_applied_index",
               "Index of the last log entry that the member has applied, as it "
               "last told.");
    for (uint32_t i = 0; i < status->member_count; i++)
        say_member(out, "member_applied_index", &members[i],
                   members[i].applied_index);
    say_family(out, "member_lag_entries",
               "Committed log entries that the member has not applied.");
    for (uint32_t i = 0; i < status->member_count; i++)
        say_member(out, "member_lag_entries", &members[i], members[i].lag);
}
