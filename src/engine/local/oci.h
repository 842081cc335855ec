/* SPDX-License-Identifier: MIT */
/*
 * A sandbox that an OCI runtime starts: a bundle, three pipes, a process. The tier runsc (gvisor.c) is
 * one.
 */
#ifndef ENGINE_LOCAL_OCI_H
#define ENGINE_LOCAL_OCI_H

#include "engine/local/backend.h"
#include "tier/oci/oci_bundle.h"
#include "tier/oci/oci_runtime.h"

int oci_open_channel(struct local_sandbox *s, lrun_error *err);

/* Fills in what every bundle has, and creates the agent's file. *out borrows from the sandbox. */
int oci_fill_bundle(struct oci_bundle *out, struct local_plan *p, lrun_error *err);

/* Writes config.json. */
int oci_write_config(const struct local_sandbox *s, lrun_error *err);

/* Returns how to start the sandbox's runtime. */
struct oci_runtime_launch oci_launch(const struct local_sandbox *s);

/* Starts the runtime. The sandbox is alive from then on. */
int oci_start(struct local_sandbox *s, const struct oci_runtime_launch *launch, lrun_error *err);

#endif
