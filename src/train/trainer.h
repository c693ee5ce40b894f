/* Training of a graph: one step at a time, so that who calls decides about epochs, progress and stopping.
 * Every random number is a function of (seed, step): a trainer put at the same step with the same arenas goes on with the same bits. */
#ifndef VG_TRAIN_TRAINER_H
#define VG_TRAIN_TRAINER_H

#include "comm/comm.h"
#include "graph/population.h"
#include "train/optim.h"
#include "train/schedule.h"

/* vg_tape_set_replay for the steps. AUTO: in f32. Measured on MobileNetV2 at 32x32, batch 64, two cores of a Zen 4: f32 868 to 504 MB in the same
 * time, bf16 449 to 267 MB for 7 % more time. */
typedef enum vg_replay { VG_REPLAY_AUTO, VG_REPLAY_ON, VG_REPLAY_OFF } vg_replay;

typedef struct vg_trainer_opts {
  vg_optim_opts optim;
  vg_schedule schedule;
  int64_t total_steps;         /* what the schedule runs over, >= 1 */
  double clip;                 /* largest norm of all gradients together; 0 = no clipping */
  bool average;                /* the gradients of a step's paths are averaged, not added; clip is of their mean then */
  bool average_shared;         /* only those of parameters that all paths of the step read are averaged, before clipping */
  double smoothing;            /* of labels, [0, 1); only for cross_entropy */
  const char *loss;            /* an operator of (output, y); NULL: cross_entropy for i32 labels, soft_cross_entropy otherwise */
  uint64_t seed;               /* of dropout and the like */
  vg_replay replay;
  vg_comm *comm;               /* borrowed. The batches of a step are this rank's part of the batch, and the gradients and the loss are those of the
                                  whole: all ranks take each step together, and fail together. NULL: one process */
} vg_trainer_opts;

/* Two trainers over one graph make the two steps of differentiable search: opts.optim.group is VG_WEIGHTS in one, VG_ARCH in the other. A step
 * computes the gradients of its own group and no others: an architecture step takes no weight's gradient and keeps no convolution's input, a weight
 * step no mixture's gradient. */
typedef struct vg_trainer {
  vg_trainer_opts opts;
  vg_graph *g;                 /* borrowed */
  vg_optim *optim;             /* owned */
  vg_tape *tape;               /* owned */
  const vg_op *loss;           /* NULL: by the labels' type */
  int64_t step;                /* steps taken */
  int64_t epoch, batch;        /* where the caller is in its data; kept in checkpoints, not read here */
  double grad_norm, lr;        /* of the last step */
} vg_trainer;

/* Prepares `g` for training. `g` outlives the trainer; opts is copied (the loss name is looked up now). */
VG_CHECKED vg_status vg_trainer_new(vg_trainer **out, vg_graph *g, const vg_trainer_opts *opts);
void vg_trainer_free(vg_trainer *t);             /* NULL is fine */
/* The paths of a supernet that one step trains: each runs forward and backward on the same batch, their gradients are added (or averaged: a
 * path that does not read a parameter counts as 0), one update follows. Parameters that no path reads get no gradient, momentum or decay. */
typedef struct vg_paths {
  int n;
  const double *slots;         /* [n][n_slots]; NULL: the graph's own */
} vg_paths;
/* One step on a batch: run, loss, backward, clip, update. *loss is the mean loss over batch and paths, before the update. paths NULL: one run.
 * VG_ENAN when the loss or the gradient's norm is not finite: the message names the step, parameters and optimiser are as before.
 * VG_EINTR when vg_interrupted is set: nothing was done. */
VG_CHECKED vg_status vg_trainer_step(double *loss, vg_trainer *t, vg_tensor *x, vg_tensor *y, const vg_paths *paths);

/* A step in two parts, for methods that put something between them (hypergradients, terms of a cost). vg_trainer_step is the one and then the other.
 *
 * The gradients of the batch stand in g->grads afterwards: zeros for parameters that were not reached, which the optimiser leaves alone all the
 * same, and for the other group what stood there. Nothing else has changed but running statistics. Dropout and the like draw what the next step
 * would: two calls without an update between them see the same masks.
 * VG_ENAN when the loss is not finite, VG_EINTR as above: the gradients are undefined then. */
typedef enum vg_wanted { VG_OF_OWN, VG_OF_WEIGHTS, VG_OF_ARCH, VG_OF_BOTH } vg_wanted;
typedef struct vg_gradient_opts {
  vg_paths paths;              /* n = 0: one run with the graph's own slots */
  vg_wanted of;                /* the group whose gradients are taken; the trainer's own, the other, or both */
  bool frozen;                 /* batch norms use the batch's statistics and leave the running ones alone */
} vg_gradient_opts;
VG_CHECKED vg_status vg_trainer_gradients(double *loss, vg_trainer *t, vg_tensor *x, vg_tensor *y, const vg_gradient_opts *opts);
/* Clips the gradients of its group as they stand in g->grads, and takes the optimiser's step. VG_ENAN as above. */
VG_CHECKED vg_status vg_trainer_update(vg_trainer *t);
double vg_trainer_rate(const vg_trainer *t);     /* the learning rate of the next step */
/* Moves the weights as the next step would with the gradients as they stand, at rate `lr` and without clipping; momentum and step count stay.
 * *gain is how far a weight moves for one more unit of its gradient. VG_EARG for optimisers other than sgd, whose step is not linear in it. */
VG_CHECKED vg_status vg_trainer_virtual_step(double *gain, vg_trainer *t, double lr);

typedef struct vg_score {
  int64_t n, correct;
  double loss_sum;             /* natural log, no smoothing */
} vg_score;
/* Adds a batch to *score, in inference mode; y is i32 [N]; slots as in vg_run_opts. Equal logits: the lower class counts. */
VG_CHECKED vg_status vg_score_add(vg_score *score, vg_graph *g, vg_tensor *x, const vg_tensor *y, const double *slots);
/* The same for each network of a population: scores [vg_population_n_networks]. On failure some have got the batch. */
VG_CHECKED vg_status vg_score_population(vg_score *scores, vg_population *p, vg_tensor *x, const vg_tensor *y);

#endif
