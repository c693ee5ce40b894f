/* What proves an operator: cases, a formula in double written from the operator's definition, refusals with their messages.
 *
 * A case is a line of text. Inputs come first: their extents, "." for one number, "-" for an absent one, then after @ what they hold:
 *     2,3,4       f32 or, in the bf16 runs, bf16; odd multiples of 1/64 between -2 and 2 (exact in both, and never on a kink at 0, 3 or 6)
 *     @+ positive, from 0.5 to 2.5     @w wide, from -8 to 8     @d all different (at most 256)     @p positive rows that sum to about 1
 *     @f f32 in all runs     @h bf16 in all runs     @i10 i32 from 0 to 9     @b u8
 * Then `name=value` for arguments, `train` for training, `same` when every input is the same tensor as the first.
 * Example: "2,9,9,8 12,3,3,8 12@f stride=2 pad=1".
 *
 * For each case the runner (runner.c) checks
 *     the output's shape and dtype, also from inputs without data, and the multiply-adds
 *     the values against the formula: in f32, and in bf16 with the inputs lying at odd places of a larger storage
 *     the gradient of each input against central differences of the formula (double, step 1e-6): f32, bf16 leaves, bf16 intermediate values
 *     a second run: the same bits forward, with and without recording, and gradients that add up to exactly twice the first */
#ifndef VG_TEST_PROOF_H
#define VG_TEST_PROOF_H

#include <stdbool.h>
#include <stdint.h>

#include "ops/op.h"

typedef struct value {
  vg_shape shape;
  int64_t n;
  double *v;                 /* NULL: absent */
} value;

/* A call as the formula sees it. */
typedef struct model {
  const vg_op *op;
  int n_in;
  value in[VG_MAX_IN];
  double arg[VG_MAX_ARGS];   /* in the order of the operator's arguments */
  bool train;
  vg_rng rng;
  vg_shape out;              /* as the proof's shape rule says */
} model;

typedef struct refusal {
  const char *text;
  vg_status status;
  const char *message;
} refusal;

typedef struct proof {
  const char *op;
  const char *const *cases;                       /* ends with NULL; at least 20 */
  const refusal *refusals;                        /* ends with an empty one; beside those that every operator has */
  void (*shape)(vg_shape *out, const model *m);   /* NULL: that of the first input */
  void (*formula)(double *y, const model *m);
  int64_t (*macs)(const model *m);                /* NULL: none */
  double (*terms)(const model *m);                /* products or summands in one output; NULL: 1. The f32 error may grow with its root */
  char dtype;                                     /* of the output: 0 that of the first input, 'f' f32, 'i' i32, 'b' the rule of broadcasting, 'x' the first there is after in[0] */
  bool moves;                                     /* only moves numbers: equal, not close */
  double slack;                                   /* bf16: absolute error of gradients that are taken at a rounded output */
} proof;

/* Families of proofs, each ended by an empty one. */
extern const proof ELTWISE_PROOFS[], REDUCE_PROOFS[], LAYOUT_PROOFS[], CONV_PROOFS[], POOL_PROOFS[], NORM_PROOFS[], LOSS_PROOFS[];

/* Runs everything above for one operator; fails the cmocka test with the case's text. */
void prove(const proof *p);

/* Helpers of the formulas. */
/* The place in a tensor of shape s that broadcasting pairs with place i of shape y. */
int64_t broadcast_place(const vg_shape *s, const vg_shape *y, int64_t i);
/* Extents before, at and after an axis; axis -1: all of it is in the middle. */
double named(const model *m, const char *argument);
typedef struct extents { int64_t outer, length, inner; } extents;
extents extents_at(const vg_shape *s, int axis);

#endif
