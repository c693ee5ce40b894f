/* Optimisers: one fused pass over the flat arenas of a graph.
 *   g = scale * grad (+ weight_decay * w);  w and the bf16 shadow are written in the same pass
 *   sgd    m = momentum * m + g;  w -= lr * (nesterov ? g + momentum * m : m)
 *   adam   m, v = running means of g, g^2;  w -= lr * mhat / (sqrt(vhat) + eps)            arXiv:1412.6980
 *   adamw  as adam with weight decay outside of the means: w -= lr * weight_decay * w      arXiv:1711.05101
 * It trains one group of parameters. One whose gradient is stale (no path of this step reached it) is left alone: no momentum, no decay, no step
 * counted. */
#ifndef VG_TRAIN_OPTIM_H
#define VG_TRAIN_OPTIM_H

#include "graph/graph.h"

typedef enum vg_optim_kind { VG_SGD, VG_ADAM, VG_ADAMW } vg_optim_kind;

typedef struct vg_optim_opts {
  vg_optim_kind kind;
  double momentum;             /* sgd, [0, 1) */
  bool nesterov;               /* sgd, wants momentum > 0 */
  double beta1, beta2, eps;    /* adam, adamw */
  double weight_decay;         /* >= 0 */
  bool decay_norms;            /* decay the parameters marked as not decaying, too */
  vg_group group;              /* of the parameters that it trains */
} vg_optim_opts;

typedef struct vg_optim_piece vg_optim_piece;

typedef struct vg_optim {
  vg_optim_opts opts;
  vg_graph *g;                 /* borrowed */
  vg_tensor *m, *v;            /* arenas beside g->values, owned; NULL where the method has no such state */
  vg_tensor *counts;           /* i32, owned: for each node how many updates it took (Adam's bias correction) */
  vg_optim_piece *pieces;      /* owned: the work list of this step */
  int64_t n_pieces, room;
  double *sums;                /* owned: one partial sum a piece */
} vg_optim;

vg_optim_opts vg_optim_defaults(vg_optim_kind kind);
/* `g` is materialised and prepared for training, and outlives the optimiser. VG_EARG, VG_ENOMEM. */
VG_CHECKED vg_status vg_optim_new(vg_optim **out, vg_graph *g, const vg_optim_opts *opts);
void vg_optim_free(vg_optim *o);                 /* NULL is fine */
/* The Euclidean norm of the group's gradients touched in this step, summed in double in a fixed order: equal for any number of threads. */
double vg_optim_grad_norm(vg_optim *o);
/* One update with rate `lr`; gradients are multiplied by `scale` first. */
void vg_optim_step(vg_optim *o, double lr, double scale);
/* The step of sgd without a memory of it: parameters move as in vg_optim_step(o, lr, 1), with the bits of it, the optimiser's state does not. */
void vg_optim_virtual_step(vg_optim *o, double lr);

#endif
