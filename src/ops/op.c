#include "ops/op.h"

#include <math.h>
#include <string.h>

static const double LARGEST_INTEGER = 9007199254740992.0;      /* 2^53: all integers up to here are doubles, and fit into int64_t */

/* The table is sorted by name. */
const vg_op *vg_op_find(const char *name) {
  for (int low = 0, high = vg_n_ops; low < high;) {
    int middle = (low + high) / 2, order = strcmp(name, vg_op_table[middle]->name);
    if (order == 0) return vg_op_table[middle];
    if (order < 0) high = middle;
    else low = middle + 1;
  }
  return NULL;
}

int vg_op_n_args(const vg_op *op) {
  int n = 0;
  while (op->args && op->args[n].name) n++;
  return n;
}

void vg_op_defaults(vg_call *c, const vg_op *op) {
  c->op = op;
  for (int i = 0, n = vg_op_n_args(op); i < n; i++) c->arg[i] = op->args[i].def;
}

static int count_words(const char *words) {
  int n = 1;
  while ((words = strchr(words, ' ')) != NULL) words++, n++;
  return n;
}

static vg_status check_arg(const vg_op *op, const vg_arg *a, double v) {
  double most = a->max == 0 ? INFINITY : a->max;
  if (a->integer && !(fabs(v) <= LARGEST_INTEGER && v == floor(v)))
    return vg_fail(VG_EARG, "%s: %s must be an integer, got %g", op->name, a->name, v);
  if ((a->min != 0 || a->max != 0) && !(v >= a->min && v <= most))
    return vg_fail(VG_EARG, "%s: %s must be between %g and %g, got %g", op->name, a->name, a->min, most, v);
  if (a->words && !(v >= 0 && v < count_words(a->words) && v == floor(v)))
    return vg_fail(VG_EARG, "%s: %s must be a place in '%s', got %g", op->name, a->name, a->words, v);
  return VG_OK;
}

vg_status vg_op_check(const vg_call *c) {
  const vg_op *op = c->op;
  if (c->n_in < op->min_in || c->n_in > op->max_in)
    return vg_fail(VG_EARG, "%s: expected %d to %d inputs, got %d", op->name, op->min_in, op->max_in, c->n_in);
  for (int i = 0; i < op->min_in; i++)
    if (!c->in[i]) return vg_fail(VG_EARG, "%s: input %d is missing", op->name, i + 1);
  for (int i = 0, n = vg_op_n_args(op); i < n; i++) VG_TRY(check_arg(op, &op->args[i], c->arg[i]));
  return VG_OK;
}

int64_t vg_op_zero_macs(const vg_shape *out, const vg_call *c) {
  (void)out;
  (void)c;
  return 0;
}

vg_status vg_op_run(vg_tensor **out, vg_call *c) {
  vg_shape shape;
  vg_dtype dtype;
  vg_tensor *y;
  VG_TRY(vg_op_check(c));
  VG_TRY(c->op->shape(&shape, &dtype, c));
  VG_TRY(vg_tensor_new(&y, dtype, &shape));
  vg_status s = c->op->forward(y, c);
  if (s != VG_OK) {
    vg_tensor_release(y);
    vg_call_clear(c);
    return s;
  }
  *out = y;
  return VG_OK;
}

void vg_call_clear(vg_call *c) {
  for (int i = 0; i < VG_MAX_SAVED; i++) {
    vg_tensor_release(c->saved[i]);
    c->saved[i] = NULL;
  }
}
