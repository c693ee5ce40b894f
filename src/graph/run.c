/* Running a graph: its operators, in order, on the tape given; of a supernet, what the slots reach. */
#include "base/alloc.h"
#include "graph/node.h"

typedef struct run {
  vg_graph *g;
  vg_run_opts opts;
  vg_tensor **value;        /* [n], owned; NULL where not computed, let go, or nothing */
  int *last_use;            /* [n] */
} run;

vg_status vg__graph_check_input(const vg_graph *g, const vg_tensor *x) {
  vg_shape want = g->nodes[0].shape;
  char a[VG_SHAPE_TEXT], b[VG_SHAPE_TEXT];
  if (g->output < 0) return vg_fail(VG_EARG, "graph: no output set");
  if (!g->values) return vg_fail(VG_EARG, "graph: no parameters yet");
  want.dim[0] = x->shape.dim[0];
  if (x->shape.rank >= 1 && vg_shape_is_equal(&want, &x->shape) && (x->dtype == VG_F32 || x->dtype == VG_BF16)) return VG_OK;
  want.dim[0] = -1;
  return vg_fail(VG_ESHAPE, "graph: input %s expected as f32 (-1 = any batch), got %s %s", vg_shape_text(a, &want), vg_dtype_name(x->dtype),
                 vg_shape_text(b, &x->shape));
}

static void set_momentum(vg_call *c, double momentum) {
  int i = vg__find_arg(c->op, "momentum");
  if (i >= 0) c->arg[i] = momentum;
}

static vg_status run_op(vg_tensor **out, run *r, int i) {
  const vg_node *d = &r->g->nodes[i];
  vg_call c = { .op = d->op, .n_in = d->n_in, .train = r->opts.train, .rng = r->opts.rng };
  c.rng.stream += (uint64_t)i;
  vg__graph_args(c.arg, d, r->opts.slots);
  if (r->opts.frozen) set_momentum(&c, 0);
  else if (r->opts.momentum > 0) set_momentum(&c, r->opts.momentum);
  for (int k = 0; k < d->n_in; k++)
    if (d->in[k] >= 0) c.in[k] = r->value[d->in[k]];
  return vg_tape_apply(out, r->opts.tape, &c);
}

static vg_status run_zeros(vg_tensor **out, const run *r, const vg_node *d) {
  int like = d->in[d->n_in - 1];
  if (like < 0) return vg_fail(VG_EARG, "graph: nothing enters '%s'", d->name);
  return vg_tensor_zeros(out, r->g->precision, &r->value[like]->shape);
}

static vg_status run_sum(vg_tensor **out, run *r, const vg_node *d) {
  vg_call c = { .op = vg_op_find("add"), .n_in = 2, .train = r->opts.train };
  vg_tensor *sum = NULL;
  for (int k = 0; k < d->n_in - 1; k++) {
    vg_tensor *x = d->in[k] < 0 ? NULL : r->value[d->in[k]], *next;
    if (!x) continue;
    if (!sum) {
      sum = vg_tensor_retain(x);
      continue;
    }
    c.in[0] = sum;
    c.in[1] = x;
    vg_status s = vg_tape_apply(&next, r->opts.tape, &c);
    vg_tensor_release(sum);
    VG_TRY(s);
    sum = next;
  }
  if (!sum) return run_zeros(out, r, d);
  *out = sum;
  return VG_OK;
}

static vg_status run_node(run *r, int i) {
  const vg_node *d = &r->g->nodes[i];
  int begin, end;
  switch (d->kind) {
    case VG_NODE_INPUT: return VG_OK;
    case VG_NODE_PARAM:
    case VG_NODE_BUFFER: r->value[i] = vg_tensor_retain(d->tensor); return VG_OK;
    case VG_NODE_OP: VG_TRY(run_op(&r->value[i], r, i)); break;
    case VG_NODE_SUM: VG_TRY(run_sum(&r->value[i], r, d)); break;
    case VG_NODE_PREFIX: VG_TRY(vg__graph_prefix(&r->value[i], r->g, d, r->opts.slots)); break;
    case VG_NODE_CHOICE: {
      int chosen = d->in[(int)r->opts.slots[d->slot]];
      r->value[i] = chosen < 0 ? NULL : vg_tensor_retain(r->value[chosen]);
      break;
    }
  }
  vg__graph_active(&begin, &end, d, r->opts.slots);
  for (int k = begin; k < end; k++) {
    int in = d->in[k];
    if (in < 0 || r->last_use[in] > i) continue;
    vg_tensor_release(r->value[in]);
    r->value[in] = NULL;
  }
  return VG_OK;
}

vg_status vg_graph_run(vg_tensor **out, vg_graph *g, vg_tensor *x, const vg_run_opts *opts) {
  vg_status status;
  run r = { .g = g };
  VG_TRY(vg__graph_check_input(g, x));
  if (opts) r.opts = *opts;
  if (!r.opts.slots) r.opts.slots = g->slot;
  VG_GOTO(vg_alloc_zero((void **)&r.value, (size_t)g->n * sizeof *r.value));
  VG_GOTO(vg_alloc((void **)&r.last_use, (size_t)g->n * sizeof *r.last_use));
  VG_GOTO(vg__graph_reach(r.last_use, g, r.opts.slots, r.opts.auxiliary != NULL));
  if (x->dtype == g->precision) r.value[0] = vg_tensor_retain(x);
  else VG_GOTO(vg_tensor_cast(&r.value[0], x, g->precision));
  for (int i = 1; i < g->n; i++)
    if (r.last_use[i] >= 0) VG_GOTO(run_node(&r, i));
  *out = vg_tensor_retain(r.value[g->output]);
  if (r.opts.auxiliary) *r.opts.auxiliary = g->auxiliary < 0 ? NULL : vg_tensor_retain(r.value[g->auxiliary]);
done:
  for (int i = 0; r.value && i < g->n; i++) vg_tensor_release(r.value[i]);
  vg_free(r.value);
  vg_free(r.last_use);
  return status;
}
