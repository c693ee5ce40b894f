/* The operator contract. An operator is one file in this folder that defines `const vg_op vg_op_NAME`; CMake finds it and the table in
 * table.c is generated. The Lua function, the tape, the graph, the cost model and the gradient check all follow from this struct. */
#ifndef VG_OPS_OP_H
#define VG_OPS_OP_H

#include "tensor/tensor.h"

enum { VG_MAX_IN = 32, VG_MAX_ARGS = 12, VG_MAX_SAVED = 4 };

/* One number-valued option. The list ends with a NULL name. Booleans are 0 / 1; a choice among words has `words`, "relu relu6 none",
 * and its value is the word's index. An argument without `required` has default `def`. */
typedef struct vg_arg {
  const char *name;
  double def, min, max;      /* min = max = 0: any */
  bool integer, required;
  const char *words;         /* NULL: a number */
} vg_arg;

/* One call: what forward got, and what it leaves for backward. */
typedef struct vg_call {
  const struct vg_op *op;
  int n_in;
  vg_tensor *in[VG_MAX_IN];         /* borrowed; NULL where an optional input is absent */
  double arg[VG_MAX_ARGS];          /* in the order of op->args */
  bool train;                       /* training mode: batch norm uses batch statistics, dropout drops */
  bool wants_backward;              /* forward may skip filling `saved` when false */
  vg_rng rng;                       /* for dropout and drop path; the same in forward and backward */
  vg_tensor *out;                   /* backward only: the forward output, if the op asked for it (VG_OP_KEEPS_OUT), else NULL */
  vg_tensor *saved[VG_MAX_SAVED];   /* filled by forward (one reference each, owned by the call), read by backward */
} vg_call;

enum {
  VG_OP_KEEPS_OUT = 1,      /* backward reads c->out */
  VG_OP_ACCUMULATES = 4,    /* backward adds into din where bit i of `add` is set, see below */
  VG_OP_RANDOM = 8,         /* draws random numbers in training */
  VG_OP_NO_GRAD = 16        /* not differentiable (arg max): backward is NULL */
};

typedef struct vg_op {
  const char *name;
  const char *doc;                 /* "x [N,H,W,C], w [Co,Kh,Kw,Ci/g], bias? [Co] -> [N,Ho,Wo,Co]", one line for help */
  int min_in, max_in;
  const vg_arg *args;              /* NULL: none */
  unsigned flags;
  unsigned keeps_in;               /* bit i: backward reads in[i]; the others may be freed after forward (shape stays readable) */
  unsigned no_grad_in;             /* bit i: no gradient flows to in[i] (labels, running statistics) */
  /* Output shape and dtype from the inputs' shapes and dtypes; no data is read. All checks and their messages are here. */
  vg_status (*shape)(vg_shape *out, vg_dtype *dtype, const vg_call *c);
  /* Writes all of `out` (already allocated by that rule). */
  vg_status (*forward)(vg_tensor *out, vg_call *c);
  /* din[i]: the gradient of in[i], NULL where none is wanted; already allocated with the shape of in[i]. It is OVERWRITTEN, or added to
   * where bit i of `add` is set (set only for ops with VG_OP_ACCUMULATES). dtype: f32 for parameters (leaves), that of in[i] else. */
  vg_status (*backward)(vg_tensor *const *din, unsigned add, const vg_tensor *dout, vg_call *c);
  /* Multiply-adds of the weights, for the whole batch; 0 for what the convention M of the cost model calls free. */
  int64_t (*macs)(const vg_shape *out, const vg_call *c);
  /* Optional. True when the gradient of every input is dout itself (add of equal shapes): the tape then shares it, backward is not called. */
  bool (*passes_grad)(const vg_call *c);
  /* Optional, for ops at about the cost of a copy. Writes the same bits that forward wrote, from what the call keeps (keeps_in, saved), and
   * has no other effect: a tape may then let `out` go after forward and have it written anew when a later op's backward reads it. */
  vg_status (*replay)(vg_tensor *out, vg_call *c);
  /* Optional. Which inputs backward reads (bit i) when the gradients of the inputs in `wanted` are asked for; NULL: keeps_in. A convolution reads
   * its input for the weight's gradient alone: an architecture step, which wants none, does not keep it. */
  unsigned (*reads)(const vg_call *c, unsigned wanted);
} vg_op;

/* The generated table, sorted by name, ended by NULL. */
extern const vg_op *const vg_op_table[];
extern const int vg_n_ops;
const vg_op *vg_op_find(const char *name);                  /* NULL when unknown */
int vg_op_n_args(const vg_op *op);
/* Fills c->arg with defaults. */
void vg_op_defaults(vg_call *c, const vg_op *op);
/* Checks the number of inputs and each argument's range; VG_EARG with the op's and argument's name. */
VG_CHECKED vg_status vg_op_check(const vg_call *c);
int64_t vg_op_zero_macs(const vg_shape *out, const vg_call *c);
/* Runs shape and forward without a tape. *out is owned by the caller. c->saved is filled when c->wants_backward. */
VG_CHECKED vg_status vg_op_run(vg_tensor **out, vg_call *c);
void vg_call_clear(vg_call *c);                             /* releases c->saved */

#endif
