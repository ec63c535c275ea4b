/* bounds.h - every limit on what may gather in memory, with its reason.
 *
 * Full means an error now (ERR_BUSY, 429, 503, 413), never growth. */
#ifndef POSTOFFICE_BASE_BOUNDS_H
#define POSTOFFICE_BASE_BOUNDS_H

enum {
    /* One log entry gathers waiting commands up to here: large enough that a
     * sync is shared by hundreds of messages, small enough to be sent and
     * written in well under a heartbeat. */
    BOUND_ENTRY_BYTES_TARGET = 256 * 1024,
    /* A single command may exceed the target (a bulk request of the largest
     * body): an entry is never larger than this. */
    BOUND_ENTRY_BYTES_MAX = 48 * 1024 * 1024,
    /* Commands that wait for the entry before them to be persisted; beyond
     * it publishing answers 429. */
    BOUND_PROPOSAL_BYTES = 64 * 1024 * 1024,
    /* Committed entries handed to the store writer and not yet applied. */
    BOUND_APPLY_BYTES = 32 * 1024 * 1024,
    /* The log's newest entries kept in memory; older ones are read back. */
    BOUND_TAIL_BYTES = 32 * 1024 * 1024,
    /* Log kept on disk for members that are behind, beyond what a restart
     * needs: hours of usual traffic, so that a node that was away for repair
     * catches up from it, and little against any volume. */
    BOUND_KEPT_LOG_BYTES = 1024 * 1024 * 1024,
    /* One AppendEntries gathers entries up to here: large enough that a
     * follower catches up at the speed of its disk, small enough that a slow
     * line is not taken for long. A single larger entry goes alone. */
    BOUND_APPEND_BYTES = 1024 * 1024,
    BOUND_APPEND_ENTRIES = 1024,
    /* A frame on the connection for small ones: heartbeats, votes, results.
     * The largest describes a snapshot, with the whole membership in it. */
    BOUND_SMALL_FRAME_BYTES = 64 * 1024,
    /* A request that is forwarded, or its answer: the largest body that one
     * entry can hold. */
    BOUND_CALL_BYTES = 48 * 1024 * 1024,
    /* What waits to be sent to one peer, by connection; a frame that does not
     * fit is dropped, and Raft sends it again. The entries' memory is shared
     * with the tail: a few large AppendEntries keep any line busy. Small
     * frames that have waited longer than hundreds of others are worth
     * nothing. One frame of any size goes when nothing waits. */
    BOUND_ENTRIES_QUEUE_BYTES = 8 * 1024 * 1024,
    BOUND_SMALL_QUEUE_BYTES = 256 * 1024,
    BOUND_CALLS_QUEUE_BYTES = 16 * 1024 * 1024,
    /* Requests to other members whose answers have not come: as many as
     * clients may be connected to be forwarded. */
    BOUND_CALLS_WAITING = 4096,
    /* Members whom a node may dial, with those that are leaving. */
    BOUND_PEERS = 32,
    /* Connections that have proved the secret: three a member and direction,
     * and as many again while members restart. */
    BOUND_GUESTS = 256,
    /* Connections that have not: each costs a few KiB and seconds. A real
     * peer needs two round trips, so that strangers can hardly crowd it out
     * when the oldest gives way. */
    BOUND_STRANGERS = 64,
    /* Addresses whose trouble is told apart in the log. */
    BOUND_COMPLAINTS = 64,
    /* Segments are preallocated, so that an append is never refused for
     * space once its segment exists. */
    BOUND_SEGMENT_BYTES = 64 * 1024 * 1024,
    /* The store commits when this much was applied since the last commit ... */
    BOUND_COMMIT_BYTES = 16 * 1024 * 1024,
    /* ... or this much time has passed; nothing acknowledged depends on it:
     * the log is the durability. */
    BOUND_COMMIT_MS = 50,
    /* Of entries whose results nobody waits for, gathered until then. */
    BOUND_GATHERED_BYTES = 1024 * 1024,
    /* A reader that waits for newer state makes the writer commit early, at
     * most this often: a commit costs a sync. */
    BOUND_EARLY_COMMIT_MS = 10,
    /* Requests for reads under way; beyond it 503. */
    BOUND_READS = 4096,
    /* A reader gives up its snapshot after this many records, because an
     * old snapshot pins pages that the writer could use again. */
    BOUND_READ_RECORDS = 10000,
    /* Deliveries of one message that are explained with it: each may look at
     * BOUND_READ_RECORDS. */
    BOUND_EXPLAINED = 20,
    /* A search gives up its snapshot, for the same reason, after this time; the
     * next page goes on. */
    BOUND_SEARCH_MS = 100,
    /* Attributes and fields that one search asks for: each is compared with
     * every message that is looked at. */
    BOUND_SEARCH_TERMS = 16,
    BOUND_SEARCH_TEXT = 1024,
    /* Publishers whose deliveries one search looks at, and topics whose logs it
     * merges: each costs memory and microseconds before the first message. More
     * topics are walked as one, through all messages. */
    BOUND_SEARCH_PUBLISHERS = 65536,
    BOUND_SEARCH_TOPICS = 4096,
    /* Messages read ahead for one publisher in one look. */
    BOUND_FEED_MESSAGES = 512,
    BOUND_FEED_BYTES = 4 * 1024 * 1024,
    /* Just-published messages kept for delivery without reading them back. */
    BOUND_RECENT_BYTES = 64 * 1024 * 1024,
    /* Open positions of one publisher: what a crash of the leader may put in
     * doubt, and a part of its `hot` record. */
    BOUND_OPEN_POSITIONS = 1024,
    /* Answers of receivers: kept of the last failure; read in all, headers
     * and body each. */
    BOUND_RESPONSE_KEPT = 4096,
    BOUND_RESPONSE_KEPT_OLD = 256,
    BOUND_RESPONSE_READ = 64 * 1024,
    /* Changes of topics and publishers that wait for one another. */
    BOUND_EDITS = 1024,
    /* HTTP API. */
    BOUND_HTTP_CONNECTIONS = 4096,
    /* Messages in one request that gives each an outcome of its own: the loop
     * reads them in one go, and each is a command. */
    BOUND_BATCH_LINES = 10 * 1000,
    /* Events kept for clients that come again after a break: some minutes of
     * a busy node, some 200 bytes each. */
    BOUND_EVENTS_KEPT = 4096,
    /* Clients that follow them: each event is written for each of them. */
    BOUND_EVENT_STREAMS = 256,
    BOUND_LIST_LIMIT = 1000,
    BOUND_LIST_DEFAULT = 50,
    /* Tokens: each request is compared with all of them, in constant time. */
    BOUND_TOKENS = 1024,        /* Of the cluster. */
    BOUND_TOKENS_OF_FILE = 256, /* Of one node. */
    BOUND_TOKEN_NAME = 64,
    BOUND_TOKEN_TOPICS = 100,
    BOUND_TOKEN_FILE_BYTES = 8 * 1024 * 1024,
    /* What is written down of changes: years of people's work, and of programs'
     * weeks at least; some hundred MiB, in the worst case a few GiB. */
    BOUND_AUDIT_ROWS = 50 * 1000,
    BOUND_AUDIT_DAYS = 400,
    BOUND_AUDIT_DELIVERIES = 100, /* Of one message, told one by one. */
    /* What a client presents: longer than any token of ours. */
    BOUND_TOKEN_TEXT = 512,
    BOUND_TOKEN_HEADER = 2048,
    /* Contract of names and sizes in messages. */
    BOUND_TOPIC_NAME = 255,
    BOUND_KEY = 255,
    BOUND_IDEMPOTENCY_KEY = 255,
    /* Keys of requests that are remembered: a day of 115 a second, and some
     * 4 GiB of the store. Beyond it a request with a new key gets 429. */
    BOUND_IDEMPOTENCY_KEYS = 10 * 1000 * 1000,
    BOUND_ATTRIBUTES = 100,
    BOUND_ATTRIBUTE_NAME = 256,
    BOUND_ATTRIBUTE_VALUE = 1024,
    BOUND_TARGET = 2048,
    /* --target-allow and --target-deny, each: looked through for every new
     * connection. */
    BOUND_TARGET_RANGES = 64,
    /* Names of targets whose addresses are known, some 600 bytes each: those
     * of thousands of publishers. More than requests can be in flight. */
    BOUND_NAMES = 16 * 1024,
    /* Names that are asked for at once, a datagram and some KiB each: about as
     * many as requests can be in flight, so that hundreds of names whose
     * server is dead keep no other from being asked for. */
    BOUND_LOOKUPS = 1024,
    /* Addresses and ports that members of the cluster listen on: two each, of
     * up to eight addresses. */
    BOUND_OWN_PORTS = 256,
    BOUND_DESCRIPTION = 1024,
    /* JSON pointers by which a topic's messages are found: each costs a row a
     * message. */
    BOUND_INDEXED_FIELDS = 16,
    BOUND_INDEXED_POINTER = 512,
    /* Publishers that /metrics tells of one by one, each with some fifty
     * series; a scraper is to get its answer in a moment. */
    BOUND_METRICS_PUBLISHERS = 500,
    /* A publisher's own headers: what receivers take without complaint. */
    BOUND_HEADERS = 32,
    BOUND_HEADER_NAME = 128,
    BOUND_HEADER_VALUE = 1024,
    BOUND_BEARER_TOKEN = 4096,
    BOUND_JSON_DEPTH = 512,
    /* A publisher's filter: each message that is examined costs time by it. */
    BOUND_FILTER_BYTES = 16 * 1024,
    BOUND_FILTER_CLAUSES = 32,
    BOUND_FILTER_VALUES = 100, /* Of one clause. */
    BOUND_FILTER_DEPTH = 16,   /* Parts of a JSON pointer. */
};

#endif
