/* faults.h - what goes wrong, and when: by chance, until all is to heal. */
#ifndef POSTOFFICE_TESTS_SIM_FAULTS_H
#define POSTOFFICE_TESTS_SIM_FAULTS_H

#include <stdint.h>

struct world;

/* Chooses how bad this run is, and plans the first fault. */
void faults_start(struct world *world);

#endif
