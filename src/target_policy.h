/* target_policy.h - from the settings to the addresses that deliveries may
 * reach. Thread: main. */
#ifndef POSTOFFICE_TARGET_POLICY_H
#define POSTOFFICE_TARGET_POLICY_H

#include "delivery/address_policy.h"
#include "settings.h"

/* The ports of the cluster itself are those that this node listens on, and
 * those of the first members that are named by address; own_ports.h adds
 * those of all members, by name. ERR_INVALID. */
int target_policy_fill(const struct settings *settings,
                       struct address_policy *ret_policy, struct error *error);

#endif
