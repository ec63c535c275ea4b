#include "sim.h"

#include "base/memory.h"
#include "faults.h"
#include "world.h"

#include <stdlib.h>
#include <string.h>

enum { FAULTS_MS_LEAST = 4000, FAULTS_MS_MOST = 16000 };

void sim_run(const struct sim_options *options, struct sim_result *ret)
{
    struct world *world = memory_new(sizeof *world);
    *ret = (struct sim_result){.hash = 1};
    world_open(world, options, ret);
    clients_start(world);
    faults_start(world);
    world_run_until(
        world, world->timeline.now_ms +
                   dice_between(&world->dice, FAULTS_MS_LEAST, FAULTS_MS_MOST));
    if (!world_is_red(world))
        world_heal(world);
    world_settle(world);
    if (!world_is_red(world))
        oracle_end(world);
    world_close(world);
    free(world);
}
