/* The image that `vmbox run` names: found, placed among the guest's files, started as PID 1. */
#ifndef VMBOX_IMAGE_H
#define VMBOX_IMAGE_H

#include "run.h"

/*
 * Starts o->image in k: with a root it is a path there (a bare name is looked up in the guest's
 * PATH), without one it is a file of the host's, which the guest sees under its host path. 0, or
 * what vmbox exits with; the error has been printed.
 */
int image_start(struct kernel *k, const struct run_options *o);

#endif
