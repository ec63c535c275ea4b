#include "crew.h"

#include "directory.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { JOBS_MAX = 64, RED_SHOWN = 10, PROGRESS_SECONDS = 10 };

/* What a worker tells; in shared memory, so that it outlives it. */
struct place {
    pid_t pid;
    uint64_t seed; /* That it is at; 0: none. */
    char directory[64];
    atomic_uint_fast64_t done;
    uint64_t hash;
    struct sim_totals totals;
};

struct board {
    atomic_uint_fast64_t next;
    atomic_uint_fast64_t red;
    atomic_bool stop;
    struct place places[JOBS_MAX];
};

static double now_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

unsigned crew_nodes(const struct crew_options *options, uint64_t seed)
{
    if (options->nodes != 0)
        return options->nodes;
    if (seed % 16 == 0)
        return 1;
    return seed % 3 == 0 ? 5 : 3;
}

static void add_totals(struct sim_totals *sum, const struct sim_totals *more)
{
#define X(name, words) sum->name += more->name;
    SIM_TOTALS(X)
#undef X
}

static void tell_red(const struct crew_options *options, struct board *board,
                     uint64_t seed, const char *words)
{
    uint64_t number = atomic_fetch_add(&board->red, 1);
    if (options->first_red)
        atomic_store(&board->stop, true);
    if (number >= RED_SHOWN)
        return;
    const char *mutant = mutant_name(options->mutant);
    bool well = options->mutant == MUTANT_NONE;
    printf("seed %" PRIu64 ": %s\n    %s --seed %" PRIu64 " --nodes %u%s%s "
           "--trace\n",
           seed, words, options->command, seed, crew_nodes(options, seed),
           well ? "" : " --mutant ", well ? "" : mutant);
    fflush(stdout);
}

static void run_one(const struct crew_options *options, struct board *board,
                    struct place *place, uint64_t seed)
{
    char words[400];
    struct sim_result result;
    const struct sim_options one = {
        .seed = seed,
        .nodes = crew_nodes(options, seed),
        .mutant = options->mutant,
        .directory = place->directory,
    };
    place->seed = seed;
    if (options->script != NULL)
        options->script(&one, &result);
    else
        sim_run(&one, &result);
    directory_empty(place->directory);
    add_totals(&place->totals, &result.totals);
    place->hash += result.hash;
    if (result.violation[0] != '\0') {
        snprintf(words, sizeof words, "at %" PRIu64 " ms: %s",
                 result.violation_ms, result.violation);
        tell_red(options, board, seed, words);
    }
    place->seed = 0;
    atomic_fetch_add(&place->done, 1);
}

static void work(const struct crew_options *options, struct board *board,
                 struct place *place)
{
    uint64_t end = options->seeds == UINT64_MAX
                       ? UINT64_MAX
                       : options->from + options->seeds;
    while (!atomic_load(&board->stop)) {
        uint64_t seed = atomic_fetch_add(&board->next, 1);
        if (seed >= end)
            break;
        run_one(options, board, place, seed);
    }
}

static void start(const struct crew_options *options, struct board *board,
                  struct place *place)
{
    fflush(stdout);
    pid_t pid = fork();
    if (pid < 0) {
        perror("fork");
        exit(2);
    }
    if (pid > 0) {
        place->pid = pid;
        return;
    }
    /* With a rule off an assertion may well end it: no cores, no words. */
    if (options->mutant != MUTANT_NONE && freopen("/dev/null", "w", stderr))
        setvbuf(stderr, NULL, _IONBF, 0);
    work(options, board, place);
    fflush(stdout);
    _exit(0);
}

/* A worker has ended. True: it has died of its seed. */
static bool take_leave(const struct crew_options *options, struct board *board,
                       struct place *place, int status)
{
    char words[100];
    bool died = !WIFEXITED(status) || WEXITSTATUS(status) != 0;
    if (!died)
        return false;
    if (WIFSIGNALED(status))
        snprintf(words, sizeof words, "the process died of signal %d (%s)",
                 WTERMSIG(status), strsignal(WTERMSIG(status)));
    else
        snprintf(words, sizeof words, "the process ended with code %d",
                 WEXITSTATUS(status));
    tell_red(options, board, place->seed, words);
    directory_empty(place->directory);
    atomic_fetch_add(&place->done, 1);
    return true;
}

static uint64_t done_by_all(const struct crew_options *options,
                            const struct board *board)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < options->jobs; i++)
        sum += atomic_load(&board->places[i].done);
    return sum;
}

static struct place *place_of(struct board *board, pid_t pid)
{
    for (unsigned i = 0; i < JOBS_MAX; i++)
        if (board->places[i].pid == pid)
            return &board->places[i];
    return NULL;
}

/* Waits for all, watching the time. */
static void watch(const struct crew_options *options, struct board *board)
{
    const struct timespec nap = {.tv_nsec = 20 * 1000 * 1000};
    double began = now_seconds();
    double told = began;
    unsigned left = options->jobs;
    while (left > 0) {
        int status;
        double now = now_seconds();
        pid_t pid = waitpid(-1, &status, WNOHANG);
        struct place *place = pid > 0 ? place_of(board, pid) : NULL;
        if (place != NULL && take_leave(options, board, place, status) &&
            !atomic_load(&board->stop))
            start(options, board, place);
        else if (place != NULL)
            left--;
        if (options->seconds != 0 && now - began >= (double)options->seconds)
            atomic_store(&board->stop, true);
        if (now - told >= PROGRESS_SECONDS) {
            told = now;
            fprintf(stderr, "%" PRIu64 " seeds, %" PRIu64 " red, %.0f s\n",
                    done_by_all(options, board), atomic_load(&board->red),
                    now - began);
        }
        if (pid <= 0)
            nanosleep(&nap, NULL);
    }
}

void crew_run(const struct crew_options *options, struct crew_report *ret)
{
    struct board *board = mmap(NULL, sizeof *board, PROT_READ | PROT_WRITE,
                               MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (board == MAP_FAILED) {
        perror("shared memory");
        exit(2);
    }
    atomic_store(&board->next, options->from);
    for (unsigned i = 0; i < options->jobs; i++) {
        struct place *place = &board->places[i];
        directory_make(place->directory, sizeof place->directory);
        start(options, board, place);
    }
    watch(options, board);
    *ret = (struct crew_report){.seeds = done_by_all(options, board),
                                .red = atomic_load(&board->red)};
    for (unsigned i = 0; i < options->jobs; i++) {
        add_totals(&ret->totals, &board->places[i].totals);
        ret->hash += board->places[i].hash;
        directory_remove(board->places[i].directory);
    }
    munmap(board, sizeof *board);
}
