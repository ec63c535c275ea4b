/* What an honest leader, an impatient person and a somewhat mistaken program
 * might propose next. */
#include "trial.h"

#include <stdio.h>

uint32_t trial_below(struct trial *trial, uint32_t limit)
{
    return random_below(&trial->random, limit);
}

static uint32_t below(struct trial *trial, uint32_t limit)
{
    return trial_below(trial, limit);
}

/* ---- Choices ---- */

/* Mostly one that exists or existed, sometimes one that never did. */
static uint32_t any_publisher(struct trial *trial)
{
    return 1 + below(trial, trial->naive->publisher_count + 1);
}

static uint32_t live_publisher(struct trial *trial)
{
    uint32_t id = 0;
    for (int i = 0; i < 20; i++) {
        id = any_publisher(trial);
        if (id <= trial->naive->publisher_count &&
            trial->naive->publishers[id].exists)
            break;
    }
    return id;
}

/* Positions of a publisher in a status, in order, from a random place on; a
 * few that are wrong among them. */
static uint32_t pick(struct trial *trial, uint32_t id, enum naive_status status,
                     uint64_t *positions, uint32_t count_max)
{
    struct naive *naive = trial->naive;
    uint32_t count = 0;
    uint32_t skip = 0;
    if (id > naive->publisher_count || !naive->publishers[id].exists) {
        positions[0] = 1 + below(trial, 10);
        return 1;
    }
    uint32_t there = naive_count(naive, id, status);
    if (there > count_max)
        skip = below(trial, there - count_max);
    for (uint64_t p = 1; p <= naive->sequence && count < count_max; p++) {
        bool hit = naive_wants(naive, id, p) &&
                   naive->publishers[id].cells[p].status == status;
        if (hit && skip > 0)
            skip--;
        else if (hit || below(trial, 400) == 0)
            positions[count++] = p;
    }
    return count;
}

/* ---- Operations ---- */

typedef void operation(struct trial *trial);

static void expect(struct trial *trial, struct command_result result)
{
    trial->any_result[trial->expected_count] = false;
    trial->expected[trial->expected_count++] = result;
}

static uint32_t any_topic(struct trial *trial)
{
    uint32_t id = 0;
    for (int i = 0; i < 10; i++) {
        id = 1 + below(trial, trial->naive->topic_count + 1);
        if (naive_topic(trial->naive, id) != NULL)
            break;
    }
    return id;
}

void trial_do_topic(struct trial *trial)
{
    char name[8];
    if (trial->naive->topic_count == NAIVE_TOPICS)
        return;
    snprintf(name, sizeof name, "t%u", below(trial, NAIVE_NAMES));
    struct topic_options options = fixture_topic(name);
    command_topic_create_encode(&trial->entry, trial->now_ms, &options);
    expect(trial, naive_topic_create(trial->naive, name));
}

static void random_options(struct trial *trial,
                           struct publisher_options *options)
{
    options->guarantee = below(trial, 3) == 0 ? AT_MOST_ONCE : AT_LEAST_ONCE;
    options->ordering = (enum ordering)below(trial, 3);
    options->on_poison = (enum poison)below(trial, 2);
}

static void do_publisher(struct trial *trial)
{
    char target[16];
    if (trial->naive->publisher_count == NAIVE_PUBLISHERS)
        return;
    snprintf(target, sizeof target, "http://%u", below(trial, 4));
    struct command_publisher_create create = {
        .topic_id = any_topic(trial),
        .from_now = below(trial, 2) == 0,
        .paused = below(trial, 6) == 0,
        .options = fixture_publisher(target),
    };
    random_options(trial, &create.options);
    command_publisher_create_encode(&trial->entry, trial->now_ms, &create);
    expect(trial, naive_publisher_create(trial->naive, &create));
}

static void do_update(struct trial *trial)
{
    char target[16];
    uint32_t id = live_publisher(trial);
    struct command_publisher_update update = {.publisher_id = id};
    snprintf(target, sizeof target, "http://%u", below(trial, 4));
    if (id <= trial->naive->publisher_count && below(trial, 3) != 0)
        snprintf(target, sizeof target, "%s",
                 trial->naive->publishers[id].target);
    update.options = fixture_publisher(target[0] == 0 ? "http://gone" : target);
    update.rotate = below(trial, 2) == 0;
    random_options(trial, &update.options);
    command_publisher_update_encode(&trial->entry, trial->now_ms, &update);
    expect(trial, naive_publisher_update(trial->naive, &update));
}

static void do_topic_update(struct trial *trial)
{
    uint32_t id = any_topic(trial);
    struct naive_topic *topic = naive_topic(trial->naive, id);
    struct command_topic_update update = {
        .topic_id = id,
        .options = fixture_topic(
            topic == NULL || below(trial, 5) == 0 ? "x" : topic->name)};
    update.options.retention_seconds = below(trial, 3);
    command_topic_update_encode(&trial->entry, trial->now_ms, &update);
    expect(trial, naive_topic_update(trial->naive, &update));
}

static void do_topic_delete(struct trial *trial)
{
    struct command_topic_delete deletion = {.topic_id = any_topic(trial),
                                            .force = below(trial, 12) == 0};
    command_topic_delete_encode(&trial->entry, trial->now_ms, &deletion);
    expect(trial, naive_topic_delete(trial->naive, &deletion));
}

static void do_topic_purge(struct trial *trial)
{
    command_topic_purge_encode(&trial->entry, trial->now_ms,
                               1 + below(trial, trial->naive->topic_count + 1),
                               1 + below(trial, 50));
    trial->any_result[trial->expected_count++] = true;
}

static void do_circuit(struct trial *trial)
{
    struct command_circuit circuit = {
        .publisher_id = any_publisher(trial),
        .circuit = {.state = (enum circuit_state)below(trial, 3),
                    .since_ms = trial->now_ms,
                    .failures = below(trial, 9),
                    .next_probe_ms = trial->now_ms + below(trial, 99999),
                    .error = {.number = 1,
                              .class = ATTEMPT_TIMEOUT,
                              .response = slice_of(trial->response,
                                                   below(trial, 400))}},
        .throttled_until_ms =
            below(trial, 2) == 0 ? 0 : trial->now_ms + below(trial, 5000000)};
    command_circuit_encode(&trial->entry, trial->now_ms, &circuit);
    expect(trial, naive_circuit(trial->naive, &circuit));
}

static void do_delete(struct trial *trial)
{
    uint32_t id = any_publisher(trial);
    command_publisher_delete_encode(&trial->entry, trial->now_ms, id);
    expect(trial, naive_publisher_delete(trial->naive, id));
}

static void do_pause(struct trial *trial)
{
    struct command_pause pause = {
        .publisher_id = any_publisher(trial),
        .paused = below(trial, 3) == 0,
        .reason = slice_text("requested"),
    };
    command_pause_encode(&trial->entry, trial->now_ms, &pause);
    expect(trial, naive_pause(trial->naive, pause.publisher_id, pause.paused));
}

/* More keys than are kept, and few enough to meet again. */
static struct idempotency any_request(struct trial *trial, char key[8])
{
    snprintf(key, 8, "k%u", below(trial, 6));
    struct idempotency request =
        fixture_request(key, below(trial, 4) == 0 ? "other" : "body");
    request.scope = below(trial, 8) == 0;
    request.route = below(trial, 3) == 0 ? IDEMPOTENT_BULK : IDEMPOTENT_MESSAGE;
    return request;
}

/* Some at once, some for later, some for a time that has passed. */
static uint64_t any_schedule(struct trial *trial)
{
    uint32_t choice = below(trial, 12);
    if (choice > 1)
        return 0;
    return choice == 0 ? trial->now_ms + below(trial, 3000)
                       : 1 + trial->now_ms / 2;
}

void trial_do_messages(struct trial *trial)
{
    struct message messages[LIST_MAX];
    uint32_t count = below(trial, 10) == 0 ? LIST_MAX : below(trial, 6);
    uint32_t one = any_topic(trial);
    if (trial->naive->sequence + count > NAIVE_MESSAGES)
        return;
    char key[8];
    struct idempotency request = any_request(trial, key);
    bool once = below(trial, 3) == 0;
    size_t begun = command_messages_begin_once(&trial->entry, trial->now_ms,
                                               once ? &request : NULL, count);
    for (uint32_t i = 0; i < count; i++) {
        messages[i] = (struct message){
            .topic_id = below(trial, 3) != 0 ? one : any_topic(trial),
            .schedule_ms = any_schedule(trial),
            .payload = slice_of(trial->response, below(trial, 300))};
        if (below(trial, 3) != 0)
            messages[i].key = fixture_key_text((int)below(trial, FIXTURE_KEYS));
        message_encode(&trial->entry, &messages[i]);
    }
    command_end(&trial->entry, begun);
    expect(trial,
           once ? naive_messages_once(trial->naive, &request, messages, count)
                : naive_messages(trial->naive, messages, count));
}

static void do_release(struct trial *trial)
{
    struct command_release release = {
        .topic_id = any_topic(trial),
        .upto_ms = trial->now_ms + below(trial, 4000) - 500 * below(trial, 2),
        .count_max = below(trial, 8)};
    if (trial->naive->sequence + 10 > NAIVE_MESSAGES)
        return;
    command_release_encode(&trial->entry, trial->now_ms, &release);
    expect(trial, naive_release(trial->naive, &release));
}

static void do_expire(struct trial *trial)
{
    uint32_t topic = any_topic(trial);
    uint64_t clock = trial->naive->clock_ms;
    struct command_expire expire = {
        .topic_id = topic,
        .from = below(trial, 2) == 0
                    ? 0
                    : naive_first_position(trial->naive, topic),
        .upto = below(trial, 2) == 0 ? UINT64_MAX : trial->naive->sequence / 2,
        .cutoff_ms = clock - below(trial, 4000)};
    if (expire.cutoff_ms > clock || below(trial, 20) == 0)
        expire.cutoff_ms = clock + 1;
    command_expire_encode(&trial->entry, trial->now_ms, &expire);
    expect(trial, naive_expire(trial->naive, &expire));
}

struct draft {
    struct command_grant grant;
    uint64_t open[LIST_MAX];
    uint64_t open_keys[LIST_MAX];
    uint64_t parked[LIST_MAX];
    uint64_t parked_keys[LIST_MAX];
    uint64_t discarded[LIST_MAX];
};

static bool has(const uint64_t *list, uint32_t count, uint64_t value)
{
    for (uint32_t i = 0; i < count; i++)
        if (list[i] == value)
            return true;
    return false;
}

/* What an honest leader does with a position; false: it stops before. */
static bool draft_add(struct trial *trial, struct draft *draft, uint64_t p)
{
    struct naive *naive = trial->naive;
    struct command_grant *grant = &draft->grant;
    uint32_t id = grant->publisher_id;
    const struct naive_publisher *publisher = &naive->publishers[id];
    uint64_t key = naive->messages[naive->at[p]].key;
    bool keyed = publisher->ordering == ORDERING_KEY && key != 0;
    if (grant->open_count == LIST_MAX || grant->parked_count == LIST_MAX ||
        grant->discarded_count == LIST_MAX)
        return false;
    grant->examined++;
    if (publisher->cells[p].status == NAIVE_DISCARDED) {
        draft->discarded[grant->discarded_count++] = p;
    } else if (keyed && (has(draft->parked_keys, grant->parked_count, key) ||
                         naive_held(naive, id, key) ||
                         (has(draft->open_keys, grant->open_count, key) &&
                          below(trial, 2) == 0))) {
        draft->parked_keys[grant->parked_count] = key;
        draft->parked[grant->parked_count++] = p;
    } else if (below(trial, 4) != 0) {
        draft->open_keys[grant->open_count] = key;
        draft->open[grant->open_count++] = p;
    }
    return true;
}

/* What should have been parked is opened: the key may be held. */
static void open_first_parked(struct draft *draft)
{
    struct command_grant *grant = &draft->grant;
    if (grant->parked_count == 0 || grant->open_keys == NULL ||
        grant->open_count == LIST_MAX ||
        (grant->open_count > 0 && draft->open[0] < draft->parked[0]))
        return;
    size_t opened = grant->open_count++ * sizeof draft->open[0];
    memmove(draft->open + 1, draft->open, opened);
    memmove(draft->open_keys + 1, draft->open_keys, opened);
    draft->open[0] = draft->parked[0];
    draft->open_keys[0] = draft->parked_keys[0];
    size_t parked = --grant->parked_count * sizeof draft->parked[0];
    memmove(draft->parked, draft->parked + 1, parked);
    memmove(draft->parked_keys, draft->parked_keys + 1, parked);
}

/* An honest grant, which a few random changes then make dishonest. The naive
 * model counts positions; apply can only check whether the count may be, so
 * wrong counts are kept to those that it must notice. */
static void do_grant(struct trial *trial)
{
    struct naive *naive = trial->naive;
    struct draft draft = {
        .grant = {.publisher_id = live_publisher(trial), .from = 1, .upto = 1}};
    struct command_grant *grant = &draft.grant;
    grant->open = draft.open;
    grant->open_keys = draft.open_keys;
    grant->parked = draft.parked;
    grant->parked_keys = draft.parked_keys;
    grant->discarded = draft.discarded;
    struct naive_publisher *publisher = naive_find(naive, grant->publisher_id);
    if (publisher != NULL) {
        grant->from = publisher->next;
        uint64_t last = naive_last_position(naive, publisher->topic_id);
        uint64_t upto = grant->from + below(trial, 60);
        grant->upto = grant->from - 1;
        for (uint64_t p = grant->from; p <= upto && p <= last; p++) {
            if (naive_wants(naive, grant->publisher_id, p) &&
                !draft_add(trial, &draft, p))
                break;
            grant->upto = p;
        }
        if (publisher->ordering == ORDERING_NONE && below(trial, 2) == 0)
            grant->open_keys = NULL;
    }
    uint32_t lie = below(trial, 40);
    if (lie == 0 && grant->from > 1)
        grant->from--;
    if (lie == 1)
        grant->examined += 100000;
    if (lie == 2)
        grant->upto = naive->sequence + 1;
    if (lie == 3 && grant->open_count > 1)
        draft.open[0] = draft.open[1];
    if (lie >= 10 && lie < 20 && grant->discarded_count > 0)
        grant->discarded_count--;
    if (lie >= 5 && lie < 10)
        open_first_parked(&draft);
    command_grant_encode(&trial->entry, trial->now_ms, grant);
    expect(trial, naive_grant(naive, grant));
}

/* Walks a key's parked positions, mostly the first blocked one's. */
static void do_unpark(struct trial *trial)
{
    struct naive *naive = trial->naive;
    uint64_t open[LIST_MAX];
    struct command_unpark unpark = {.publisher_id = live_publisher(trial),
                                    .open = open};
    uint32_t id = unpark.publisher_id;
    uint32_t want = 1 + below(trial, 5);
    unpark.key = fixture_key((int)below(trial, FIXTURE_KEYS));
    bool first = below(trial, 2) == 0;
    for (uint64_t p = 1; naive_find(naive, id) != NULL &&
                         p <= naive->sequence && unpark.examined < want;
         p++) {
        if (!naive_wants(naive, id, p) ||
            naive->publishers[id].cells[p].status != NAIVE_PARKED)
            continue;
        uint64_t key = naive->messages[naive->at[p]].key;
        if (unpark.examined == 0 && first)
            unpark.key = key;
        if (key != unpark.key)
            continue;
        if (unpark.examined++ == 0)
            unpark.from = p;
        unpark.upto = p;
        if (below(trial, 3) != 0)
            open[unpark.open_count++] = p;
    }
    uint32_t lie = below(trial, 30);
    if (lie == 0)
        unpark.from++;
    if (lie == 1)
        unpark.examined++;
    if (lie == 2)
        unpark.upto++;
    command_unpark_encode(&trial->entry, trial->now_ms, &unpark);
    expect(trial, naive_unpark(naive, &unpark));
}

/* ---- Decisions ---- */

/* One in a state that a person may want to decide about. */
static void one_of_those(struct trial *trial, struct command_decision *decision)
{
    static const enum naive_status statuses[] = {
        NAIVE_AMBIGUOUS, NAIVE_AMBIGUOUS, NAIVE_DEAD,
        NAIVE_WAITING,   NAIVE_PARKED,    NAIVE_DISCARDED,
    };
    uint64_t position;
    uint32_t id = live_publisher(trial);
    if (pick(trial, id, statuses[below(trial, 6)], &position, 1) == 1 &&
        trial->naive->at[position] != 0) {
        decision->message_id = trial->naive->at[position];
        decision->publisher_id = id;
    }
}

static void do_decision(struct trial *trial)
{
    bool discard = below(trial, 2) == 0;
    struct command_decision decision = {
        .message_id = 1 + below(trial, (uint32_t)trial->naive->sequence + 1)};
    /* Often one of the last. */
    if (below(trial, 2) == 0 && trial->naive->sequence > 50)
        decision.message_id = trial->naive->sequence - below(trial, 50);
    if (below(trial, 4) != 0)
        decision.publisher_id = live_publisher(trial);
    if (below(trial, 2) == 0)
        one_of_those(trial, &decision);
    command_decision_encode(&trial->entry,
                            discard ? COMMAND_DISCARD : COMMAND_RETRY,
                            trial->now_ms, &decision);
    expect(trial, naive_decision(trial->naive, discard, &decision));
}

static void do_decision_step(struct trial *trial)
{
    bool discard = below(trial, 4) == 0;
    struct command_decision_step step = {
        .publisher_id = live_publisher(trial),
        .state = (enum delivery_state)(2 + below(trial, 4)),
        .from = below(trial, 3) == 0
                    ? below(trial, (uint32_t)trial->naive->sequence + 1)
                    : 0,
        .upto = UINT64_MAX,
        .rows_max = 1 + below(trial, 6)};
    if (below(trial, 20) == 0)
        step.state = DELIVERY_DELIVERED;
    command_decision_step_encode(
        &trial->entry, discard ? COMMAND_DISCARD_STEP : COMMAND_RETRY_STEP,
        trial->now_ms, &step);
    expect(trial, naive_decision_step(trial->naive, discard, &step));
}

/* ---- Replays ---- */

static void do_replay_start(struct trial *trial)
{
    struct command_replay_start start = {
        .publisher_id = live_publisher(trial),
        .from = below(trial, (uint32_t)trial->naive->sequence + 1),
        .any_state = below(trial, 2) == 0,
        .wanted = (enum delivery_state)below(trial, 8)};
    start.upto = start.from + below(trial, 300);
    if (trial->naive->replay_count == NAIVE_REPLAYS)
        return;
    command_replay_start_encode(&trial->entry, trial->now_ms, &start);
    expect(trial, naive_replay_start(trial->naive, &start));
}

/* Mostly the last job that runs. */
static uint32_t any_replay(struct trial *trial)
{
    uint32_t id = trial->naive->replay_count;
    while (id > 1 && (trial->naive->replays[id].state != REPLAY_RUNNING ||
                      below(trial, 4) == 0))
        id--;
    return below(trial, 10) == 0 ? id + 1 : id;
}

static void do_replay_step(struct trial *trial)
{
    struct naive *naive = trial->naive;
    uint64_t positions[LIST_MAX];
    uint32_t id = any_replay(trial);
    if (id == 0 || id > NAIVE_REPLAYS)
        return;
    struct replay job = naive->replays[id];
    struct command_replay_step step = {.replay_id = id,
                                       .from = job.cursor,
                                       .upto = job.cursor + below(trial, 60),
                                       .positions = positions};
    if (step.upto > job.upto && below(trial, 10) != 0)
        step.upto = job.upto;
    for (uint64_t p = step.from; p <= step.upto && step.count < LIST_MAX; p++)
        if (below(trial, 3) == 0)
            positions[step.count++] = p;
    if (below(trial, 4) == 0)
        step.from++;
    while (step.count > 0 && positions[0] < step.from) {
        memmove(positions, positions + 1, --step.count * sizeof positions[0]);
    }
    command_replay_step_encode(&trial->entry, trial->now_ms, &step);
    expect(trial, naive_replay_step(naive, &step));
}

static void do_replay_cancel(struct trial *trial)
{
    uint32_t id = any_replay(trial);
    command_replay_cancel_encode(&trial->entry, trial->now_ms, id);
    expect(trial, naive_replay_cancel(trial->naive, id));
}

/* ---- Outcomes ---- */

static struct attempt random_attempt(struct trial *trial,
                                     enum delivery_state state)
{
    struct attempt attempt = {
        .number = 1 + below(trial, 100), /* The store knows better. */
        .started_ms = trial->now_ms,
        .duration_ms = below(trial, 1000),
        .response = slice_of(trial->response,
                             below(trial, 4) == 0 ? below(trial, 5000) : 9),
    };
    if (state != DELIVERY_DELIVERED) {
        attempt.class = (enum attempt_class)(1 + below(trial, 10));
        attempt.status = (uint16_t)(400 + below(trial, 200));
    } else {
        attempt.status = 200;
    }
    return attempt;
}

static void do_outcomes(struct trial *trial)
{
    static const enum delivery_state states[] = {
        DELIVERY_DELIVERED, DELIVERY_DELIVERED, DELIVERY_RETRYING,
        DELIVERY_RETRYING,  DELIVERY_RETRYING,  DELIVERY_RETRYING,
        DELIVERY_DEAD,      DELIVERY_AMBIGUOUS,
    };
    uint64_t positions[LIST_MAX];
    struct outcome list[LIST_MAX];
    struct command_outcomes outcomes = {.publisher_id = live_publisher(trial),
                                        .outcomes = list};
    outcomes.count = pick(trial, outcomes.publisher_id, NAIVE_OPEN, positions,
                          1 + below(trial, LIST_MAX));
    bool well = below(trial, 3) == 0;
    for (uint32_t i = 0; i < outcomes.count; i++) {
        enum delivery_state state =
            well ? DELIVERY_DELIVERED : states[below(trial, 8)];
        list[i] = (struct outcome){
            .position = positions[outcomes.count - 1 - i],
            .state = state,
            .attempt = random_attempt(trial, state),
            .next_attempt_ms = trial->now_ms + below(trial, 2000),
            .uncounted = below(trial, 5) == 0,
            .held = state == DELIVERY_RETRYING && below(trial, 3) == 0};
    }
    command_outcomes_encode(&trial->entry, trial->now_ms, &outcomes);
    expect(trial, naive_outcomes(trial->naive, &outcomes));
}

static void do_positions(struct trial *trial, enum command_type type)
{
    uint64_t positions[LIST_MAX];
    struct command_positions list = {.publisher_id = live_publisher(trial),
                                     .positions = positions};
    bool intent = type == COMMAND_INTENT;
    list.count =
        pick(trial, list.publisher_id, intent ? NAIVE_WAITING : NAIVE_OPEN,
             positions, 1 + below(trial, intent ? LIST_MAX : 6));
    command_positions_encode(&trial->entry, type, trial->now_ms, &list);
    expect(trial, intent ? naive_intent(trial->naive, &list)
                         : naive_withdraw(trial->naive, &list));
}

static void do_intent(struct trial *trial)
{
    do_positions(trial, COMMAND_INTENT);
}

static void do_withdraw(struct trial *trial)
{
    do_positions(trial, COMMAND_WITHDRAW);
}

static void do_takeover(struct trial *trial)
{
    uint32_t node = 1 + below(trial, 3);
    command_takeover_encode(&trial->entry, trial->now_ms, node);
    expect(trial, naive_takeover(trial->naive, node));
}

static void do_purge(struct trial *trial)
{
    command_purge_encode(&trial->entry, trial->now_ms, any_publisher(trial),
                         1 + below(trial, 50));
    trial->any_result[trial->expected_count++] = true;
}

static const struct {
    operation *run;
    uint32_t weight;
} operations[] = {
    {trial_do_topic, 2},  {do_publisher, 4},       {do_delete, 1},
    {do_pause, 6},        {trial_do_messages, 30}, {do_grant, 40},
    {do_outcomes, 50},    {do_intent, 40},         {do_withdraw, 6},
    {do_takeover, 1},     {do_purge, 2},           {do_update, 6},
    {do_topic_update, 2}, {do_topic_delete, 1},    {do_topic_purge, 1},
    {do_circuit, 2},      {do_release, 8},         {do_expire, 5},
    {do_unpark, 30},      {do_decision, 16},       {do_decision_step, 4},
    {do_replay_start, 3}, {do_replay_step, 9},     {do_replay_cancel, 1},
};

void trial_do_any(struct trial *trial)
{
    uint32_t total = 0;
    for (size_t i = 0; i < sizeof operations / sizeof operations[0]; i++)
        total += operations[i].weight;
    uint32_t at = below(trial, total);
    size_t i = 0;
    while (at >= operations[i].weight)
        at -= operations[i++].weight;
    operations[i].run(trial);
}
