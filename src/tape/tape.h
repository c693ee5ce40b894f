/* The tape: records calls of operators, walks them back. Reverse-mode differentiation.
 * A tensor is on the tape when its tape_serial is the tape's; leaves are tensors with wants_grad. Inputs, outputs and saved tensors are kept
 * only where an operator's backward reads them, and are dropped as soon as it has run. */
#ifndef VG_TAPE_TAPE_H
#define VG_TAPE_TAPE_H

#include "ops/op.h"

typedef struct vg_tape vg_tape;

VG_CHECKED vg_status vg_tape_new(vg_tape **out);
void vg_tape_free(vg_tape *t);                        /* NULL is fine */
void vg_tape_reset(vg_tape *t);                       /* forgets all recordings; tensors made under it become constants */
void vg_tape_set_recording(vg_tape *t, bool on);      /* off: no-grad */
bool vg_tape_is_recording(const vg_tape *t);
/* On: outputs that can be written anew at about the cost of a copy (batch norm) are not kept. Same bits, about half the memory of a
 * convolutional network's step, one more pass over each such output. */
void vg_tape_set_replay(vg_tape *t, bool on);

/* Runs `c` (op, inputs, args, train, rng set by the caller) and records it when an input is on the tape or wants a gradient.
 * *out is owned by the caller. `t` may be NULL: just run. A parameter with a shadow is read through its shadow. */
VG_CHECKED vg_status vg_tape_apply(vg_tensor **out, vg_tape *t, vg_call *c);

/* Whether x was computed under the tape from a tensor that wants a gradient. */
bool vg_tape_has(const vg_tape *t, const vg_tensor *x);

/* Adds d(sum of losses * seeds)/d(leaf) into leaf->grad of every leaf with wants_grad (created as f32 zeros when NULL). seeds NULL: all ones.
 * `only`, n_only: collect the gradients of these tensors alone (leaves or intermediate results), NULL = all leaves.
 * The recordings are consumed unless `retain`. */
typedef struct vg_backward_opts {
  vg_tensor *const *seeds;
  vg_tensor *const *only;
  int n_only;
  bool retain;
} vg_backward_opts;
VG_CHECKED vg_status vg_tape_backward(vg_tape *t, vg_tensor *const *losses, int n_losses, const vg_backward_opts *opts);

/* Gradient check: backward against signed central differences of sum(out * random weights), for each differentiable input of `c` (f32).
 * Runs backward twice and demands equal bits. *worst = the largest |analytic - numeric| / (atol + rtol * |numeric|); at most 1 passes.
 * VG_EARG with the op, input and element in the message when it does not pass. */
typedef struct vg_gradcheck_opts { double step, atol, rtol; uint64_t seed; } vg_gradcheck_opts;   /* zeros: 5e-3, 1e-3, 2e-2, 1 */
VG_CHECKED vg_status vg_gradcheck(double *worst, const vg_call *c, const vg_gradcheck_opts *opts);

#endif
