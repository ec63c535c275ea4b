/* The naive model's decisions and replays. */
#include "naive.h"

/* ---- Retry, discard ---- */

static void to_waiting(struct naive *naive, struct naive_cell *cell)
{
    cell->status = NAIVE_WAITING;
    if (naive->twist != TWIST_RETRY_WITHOUT_BUDGET)
        cell->budget_from = cell->attempts;
    cell->holds = 0;
    cell->due_ms = naive->clock_ms;
    cell->since_ms = naive->clock_ms;
}

static int retry(struct naive *naive, struct naive_publisher *publisher,
                 uint64_t position)
{
    struct naive_cell *cell = &publisher->cells[position];
    bool block = publisher->on_poison == POISON_BLOCK;
    switch (cell->status) {
    case NAIVE_OPEN:
        return ERR_BUSY;
    case NAIVE_WAITING:
        to_waiting(naive, cell);
        return 0;
    case NAIVE_AMBIGUOUS:
        cell->replay_id = 0;
        cell->ordered &= block || naive->twist == TWIST_RETRY_KEEPS_ORDER;
        to_waiting(naive, cell);
        return 0;
    case NAIVE_DISCARDED:
        if (position >= publisher->next) {
            cell->status = NAIVE_UNSEEN;
            cell->since_ms = 0;
            return 0;
        }
        /* Falls through. */
    case NAIVE_DEAD:
        cell->ordered = false;
        cell->replay_id = 0;
        to_waiting(naive, cell);
        return 0;
    case NAIVE_UNSEEN:
    case NAIVE_DELIVERED:
    case NAIVE_FILTERED:
    case NAIVE_PARKED:
    case NAIVE_ABSENT:
    case NAIVE_STATUSES:
        break;
    }
    return ERR_CONFLICT;
}

static int discard(struct naive *naive, struct naive_publisher *publisher,
                   uint64_t position)
{
    struct naive_cell *cell = &publisher->cells[position];
    switch (cell->status) {
    case NAIVE_OPEN:
        return ERR_BUSY;
    case NAIVE_DISCARDED:
        return ERR_EXISTS;
    case NAIVE_DELIVERED:
    case NAIVE_FILTERED:
    case NAIVE_ABSENT:
    case NAIVE_STATUSES:
        return ERR_CONFLICT;
    case NAIVE_WAITING:
        naive_settled(naive, cell->replay_id);
        break;
    case NAIVE_DEAD:
    case NAIVE_AMBIGUOUS:
    case NAIVE_UNSEEN:
    case NAIVE_PARKED:
        break;
    }
    cell->status = NAIVE_DISCARDED;
    cell->ordered = false;
    cell->holds = 0;
    cell->since_ms = naive->clock_ms;
    return 0;
}

static int decide(struct naive *naive, bool is_discard, uint32_t publisher_id,
                  uint64_t position)
{
    struct naive_publisher *publisher = naive_find(naive, publisher_id);
    if (!naive_wants(naive, publisher_id, position))
        return ERR_CONFLICT;
    return is_discard ? discard(naive, publisher, position)
                      : retry(naive, publisher, position);
}

static void decide_all(struct naive *naive, bool is_discard, uint64_t position,
                       uint32_t topic_id, struct command_result *result)
{
    int worst = ERR_CONFLICT;
    for (uint32_t id = 1; id <= naive->publisher_count; id++) {
        if (naive_find(naive, id) == NULL ||
            naive->publishers[id].topic_id != topic_id ||
            !naive_wants(naive, id, position))
            continue;
        int code = decide(naive, is_discard, id, position);
        if (code == 0)
            result->count++;
        else if (code != ERR_CONFLICT)
            worst = code;
    }
    if (result->count == 0)
        result->code = worst == ERR_EXISTS ? 0 : worst;
}

struct command_result naive_decision(struct naive *naive, bool is_discard,
                                     const struct command_decision *decision)
{
    struct command_result result = naive_answer(naive, 0);
    uint64_t id = decision->message_id;
    const struct naive_message *message = &naive->messages[id];
    if (id == 0 || id > naive->sequence || message->topic_id == 0 ||
        message->gone)
        return naive_answer(naive, ERR_NOT_FOUND);
    if (message->position == 0)
        return naive_answer(naive, ERR_CONFLICT);
    result.id = id;
    if (decision->publisher_id == 0) {
        decide_all(naive, is_discard, message->position, message->topic_id,
                   &result);
        return result;
    }
    struct naive_publisher *publisher =
        naive_find(naive, decision->publisher_id);
    if (publisher == NULL || publisher->topic_id != message->topic_id) {
        result.code = ERR_NOT_FOUND;
        return result;
    }
    int code =
        decide(naive, is_discard, decision->publisher_id, message->position);
    result.count = code == 0;
    result.code = code == ERR_EXISTS ? 0 : code;
    return result;
}

static int status_of(enum delivery_state state)
{
    switch (state) {
    case DELIVERY_RETRYING:
        return NAIVE_WAITING;
    case DELIVERY_DEAD:
        return NAIVE_DEAD;
    case DELIVERY_AMBIGUOUS:
        return NAIVE_AMBIGUOUS;
    case DELIVERY_DISCARDED:
        return NAIVE_DISCARDED;
    default:
        return -1;
    }
}

struct command_result
naive_decision_step(struct naive *naive, bool is_discard,
                    const struct command_decision_step *step)
{
    struct command_result result = naive_answer(naive, 0);
    struct naive_publisher *publisher = naive_find(naive, step->publisher_id);
    int status = status_of(step->state);
    uint32_t looked = 0;
    uint64_t last = 0;
    if (publisher == NULL)
        return naive_answer(naive, ERR_NOT_FOUND);
    if (status < 0 || (is_discard && status == NAIVE_DISCARDED))
        return naive_answer(naive, ERR_INVALID);
    result.id = step->publisher_id;
    for (uint64_t p = step->from;
         p <= step->upto && p <= naive->sequence && looked < step->rows_max;
         p++)
        if (naive_wants(naive, step->publisher_id, p) &&
            !naive->messages[naive->at[p]].gone &&
            (int)publisher->cells[p].status == status) {
            looked++;
            last = p;
            result.count +=
                decide(naive, is_discard, step->publisher_id, p) == 0;
        }
    if (looked > 0 && looked == step->rows_max && last < step->upto)
        result.position = last + 1;
    return result;
}

/* ---- Replays ---- */

static void end_if_done(struct naive *naive, struct replay *job)
{
    if (job->state == REPLAY_RUNNING && job->cursor > job->upto &&
        job->done == job->matched) {
        job->state = REPLAY_DONE;
        job->ended_ms = naive->clock_ms;
    }
}

void naive_settled(struct naive *naive, uint32_t replay_id)
{
    if (replay_id == 0 || naive->twist == TWIST_REPLAY_NEVER_DONE)
        return;
    naive->replays[replay_id].done++;
    end_if_done(naive, &naive->replays[replay_id]);
}

struct command_result
naive_replay_start(struct naive *naive,
                   const struct command_replay_start *start)
{
    struct command_result result = naive_answer(naive, 0);
    struct naive_publisher *publisher = naive_find(naive, start->publisher_id);
    if (publisher == NULL)
        return naive_answer(naive, ERR_NOT_FOUND);
    if (!start->any_state && start->wanted < DELIVERY_AMBIGUOUS)
        return naive_answer(naive, ERR_INVALID);
    result.id = ++naive->replay_count;
    struct replay *job = &naive->replays[result.id];
    *job = (struct replay){
        .id = (uint32_t)result.id,
        .publisher_id = start->publisher_id,
        .from = start->from > publisher->start ? start->from : publisher->start,
        .upto =
            start->upto < publisher->next ? start->upto : publisher->next - 1,
        .any_state = start->any_state,
        .wanted = start->wanted,
        .started_ms = naive->clock_ms,
    };
    job->cursor = job->from;
    end_if_done(naive, job);
    return result;
}

struct command_result naive_replay_cancel(struct naive *naive, uint32_t id)
{
    struct command_result result = naive_answer(naive, 0);
    if (id == 0 || id > naive->replay_count)
        return naive_answer(naive, ERR_NOT_FOUND);
    result.id = id;
    if (naive->replays[id].state != REPLAY_RUNNING)
        return result;
    naive->replays[id].state = REPLAY_CANCELLED;
    naive->replays[id].ended_ms = naive->clock_ms;
    result.count = 1;
    return result;
}

static bool again(struct naive *naive, struct naive_publisher *publisher,
                  uint32_t publisher_id, uint64_t position, uint32_t replay_id)
{
    struct naive_cell *cell = &publisher->cells[position];
    if (!naive_wants(naive, publisher_id, position) ||
        naive->messages[naive->at[position]].gone ||
        position >= publisher->next)
        return false;
    if (cell->status != NAIVE_DELIVERED && cell->status != NAIVE_DEAD &&
        cell->status != NAIVE_AMBIGUOUS && cell->status != NAIVE_DISCARDED &&
        cell->status != NAIVE_FILTERED)
        return false;
    cell->ordered = false;
    cell->replay_id = replay_id;
    to_waiting(naive, cell);
    cell->budget_from = cell->attempts;
    return true;
}

struct command_result naive_replay_step(struct naive *naive,
                                        const struct command_replay_step *step)
{
    struct command_result result = naive_answer(naive, 0);
    if (step->replay_id == 0 || step->replay_id > naive->replay_count)
        return naive_answer(naive, ERR_NOT_FOUND);
    struct replay *job = &naive->replays[step->replay_id];
    if (job->state != REPLAY_RUNNING ||
        (step->from != job->cursor && naive->twist != TWIST_REPLAY_STALE_TAKEN))
        return naive_answer(naive, ERR_STALE);
    if (step->upto < step->from || step->upto > job->upto)
        return naive_answer(naive, ERR_INVALID);
    struct naive_publisher *publisher = naive_find(naive, job->publisher_id);
    result.id = job->id;
    if (publisher == NULL) {
        job->state = REPLAY_CANCELLED;
        job->ended_ms = naive->clock_ms;
    }
    for (uint32_t i = 0; publisher != NULL && i < step->count; i++)
        result.count += again(naive, publisher, job->publisher_id,
                              step->positions[i], job->id);
    job->matched += result.count;
    job->cursor = step->upto + 1;
    result.position = job->cursor <= job->upto ? job->cursor : 0;
    end_if_done(naive, job);
    return result;
}
