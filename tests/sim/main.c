/* Runs seeds of the simulated world: one with a trace, or many on all cores. */
#include "base/logger.h"
#include "crew.h"
#include "directory.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void usage(FILE *to)
{
    fprintf(to,
            "usage: sim [--seeds N] [--from S] [--seconds T] [--nodes 1..5]\n"
            "           [--mutant NAME [--expect-red]] [--script NAME]\n"
            "           [--jobs J] [--twice]\n"
            "       sim --seed S [--nodes N] [--mutant NAME] [--script NAME] "
            "[--trace]\n"
            "rules that can be turned off:\n");
    for (int i = 1; i < MUTANT_COUNT; i++)
        fprintf(to, "    %-22s %s\n", mutant_name((enum mutant)i),
                mutant_words((enum mutant)i));
}

struct arguments {
    struct crew_options crew;
    uint64_t seed;
    bool one;
    bool trace;
    bool twice;
    bool expect_red;
};

static uint64_t number(const char *text)
{
    char *end;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0') {
        fprintf(stderr, "not a number: %s\n", text);
        exit(2);
    }
    return value;
}

static void read_choice(struct arguments *arguments, int option)
{
    switch (option) {
    case 'm':
        arguments->crew.mutant = mutant_named(optarg);
        if (arguments->crew.mutant != MUTANT_COUNT)
            return;
        break;
    case 'x':
        arguments->crew.script = sim_script_named(optarg);
        if (arguments->crew.script != NULL)
            return;
        break;
    case 'h':
        usage(stdout);
        exit(0);
    default:
        break;
    }
    usage(stderr);
    exit(2);
}

static void read_arguments(int argc, char **argv, struct arguments *arguments)
{
    static const struct option options[] = {
        {"seeds", required_argument, NULL, 'n'},
        {"from", required_argument, NULL, 'f'},
        {"seconds", required_argument, NULL, 't'},
        {"nodes", required_argument, NULL, 'c'},
        {"jobs", required_argument, NULL, 'j'},
        {"seed", required_argument, NULL, 's'},
        {"mutant", required_argument, NULL, 'm'},
        {"script", required_argument, NULL, 'x'},
        {"trace", no_argument, NULL, 'v'},
        {"twice", no_argument, NULL, '2'},
        {"expect-red", no_argument, NULL, 'r'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    int option;
    bool seeds = false;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == 'n') {
            arguments->crew.seeds = number(optarg);
            seeds = true;
        } else if (option == 'f') {
            arguments->crew.from = number(optarg);
        } else if (option == 't') {
            arguments->crew.seconds = number(optarg);
        } else if (option == 'c') {
            arguments->crew.nodes = (unsigned)number(optarg);
        } else if (option == 'j') {
            arguments->crew.jobs = (unsigned)number(optarg);
        } else if (option == 's') {
            arguments->seed = number(optarg);
            arguments->one = true;
        } else if (option == '2') {
            arguments->twice = true;
        } else if (option == 'v') {
            arguments->trace = true;
        } else if (option == 'r') {
            arguments->expect_red = true;
        } else {
            read_choice(arguments, option);
        }
    }
    if (!seeds && arguments->crew.seconds != 0)
        arguments->crew.seeds = UINT64_MAX;
    if (optind < argc || arguments->crew.nodes > 5 ||
        arguments->crew.jobs == 0 || arguments->crew.jobs > 64) {
        usage(stderr);
        exit(2);
    }
    arguments->crew.first_red = arguments->expect_red;
}

static void print_totals(const struct sim_totals *totals)
{
#define X(name, words) printf("    %12" PRIu64 " %s\n", totals->name, words);
    SIM_TOTALS(X)
#undef X
}

static int run_one(const struct arguments *arguments)
{
    char directory[64];
    struct sim_result result;
    directory_make(directory, sizeof directory);
    const struct sim_options options = {
        .seed = arguments->seed,
        .nodes = crew_nodes(&arguments->crew, arguments->seed),
        .mutant = arguments->crew.mutant,
        .trace = arguments->trace,
        .directory = directory,
    };
    if (arguments->crew.script != NULL)
        arguments->crew.script(&options, &result);
    else
        sim_run(&options, &result);
    directory_remove(directory);
    print_totals(&result.totals);
    printf("seed %" PRIu64 ", %u nodes: trace %016" PRIx64 "\n", options.seed,
           options.nodes, result.hash);
    if (result.violation[0] != '\0')
        printf("RED at %" PRIu64 " ms: %s\n", result.violation_ms,
               result.violation);
    return result.violation[0] != '\0';
}

static int run_many(const struct arguments *arguments)
{
    struct crew_report report;
    const struct crew_options *crew = &arguments->crew;
    crew_run(crew, &report);
    if (arguments->twice) {
        struct crew_report again;
        crew_run(crew, &again);
        if (again.hash != report.hash) {
            printf("the same seeds have other traces the second time\n");
            return 1;
        }
    }
    if (crew->mutant == MUTANT_NONE)
        print_totals(&report.totals);
    bool whole = crew->mutant == MUTANT_NONE;
    if (whole)
        printf("traces %016" PRIx64 "\n", report.hash);
    printf("%" PRIu64 " seeds from %" PRIu64 "%s%s: %" PRIu64 " red\n",
           report.seeds, crew->from, whole ? "" : " without the rule: ",
           whole ? "" : mutant_words(crew->mutant), report.red);
    return arguments->expect_red ? report.red == 0 : report.red != 0;
}

int main(int argc, char **argv)
{
    const char *shown = getenv("POSTOFFICE_SIM_COMMAND");
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    struct arguments arguments = {
        .crew = {.from = 1,
                 .seeds = 100,
                 .jobs = cores < 1    ? 1
                         : cores > 64 ? 64
                                      : (unsigned)cores,
                 .command = shown != NULL ? shown : argv[0]},
    };
    read_arguments(argc, argv, &arguments);
    logger_setup(LOGGER_ERROR, LOGGER_TEXT);
    bool red = arguments.one ? run_one(&arguments) : run_many(&arguments);
    if (arguments.one && arguments.expect_red)
        red = !red;
    return red;
}
