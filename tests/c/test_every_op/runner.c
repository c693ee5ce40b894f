/* Runs a proof. Failures name the case by its text. */
#include "case.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tape/tape.h"

enum { FEWEST_CASES = 20 };      /* the specification's */
static const char *const RUN_NAMES[] = { "f32", "bf16 leaves", "bf16 values" };

/* --- what is wanted ------------------------------------------------------------------------------------------------------------------- */

static double weight_of(int64_t i) { return element(&(spec){ 0 }, i, 99); }

typedef struct wanted {
  double *y;                        /* the formula's output */
  int64_t n;
  double *grad[VG_MAX_IN];          /* of sum(y * weights): at elements 0, step, 2*step, ... of the input; NULL where none flows */
  int64_t step[VG_MAX_IN];
} wanted;

static double weighted(const proof *p, const model *m, double *y) {
  double sum = 0;
  p->formula(y, m);
  for (int64_t i = 0, n = vg_shape_count(&m->out); i < n; i++) sum += y[i] * weight_of(i);
  return sum;
}

static bool has_gradient(const test_case *t, int i) {
  if (t->op->flags & VG_OP_NO_GRAD || t->op->no_grad_in >> i & 1 || t->in[i].absent || (t->same && i > 0)) return false;
  return t->in[i].fixed != 'i' && t->in[i].fixed != 'b';
}

static void differences(wanted *w, const proof *p, const model *m, int i) {
  const double h = 1e-6;
  double *y = malloc(((size_t)w->n + 1) * sizeof *y), *v = m->in[i].v;
  int64_t n = m->in[i].n;
  int64_t most = 300000 / (w->n + 1) + 4;                /* large cases: fewer elements */
  w->step[i] = n / (most < 48 ? most : 48) + 1;
  w->grad[i] = calloc((size_t)(n / w->step[i]) + 1, sizeof *y);
  for (int64_t k = 0; k < n; k += w->step[i]) {
    double keep = v[k];
    v[k] = keep + h;
    double up = weighted(p, m, y);
    v[k] = keep - h;
    w->grad[i][k / w->step[i]] = (up - weighted(p, m, y)) / (2 * h);
    v[k] = keep;
  }
  free(y);
}

static void find_wanted(wanted *w, const proof *p, const test_case *t, const model *m) {
  *w = (wanted){ .n = vg_shape_count(&m->out) };
  w->y = calloc((size_t)w->n + 1, sizeof *w->y);
  p->formula(w->y, m);
  for (int i = 0; i < t->n_in; i++)
    if (has_gradient(t, i)) differences(w, p, m, i);
}

static void free_wanted(wanted *w) {
  free(w->y);
  for (int i = 0; i < VG_MAX_IN; i++) free(w->grad[i]);
}

/* --- comparing ------------------------------------------------------------------------------------------------------------------------ */

/* Root mean square: what errors of sums that cancel are measured by. */
static double size_of(const double *v, int64_t n) {
  double sum = 0;
  for (int64_t i = 0; i < n; i++) sum += v[i] * v[i];
  return n ? sqrt(sum / (double)n) : 0;
}

/* f32: 2e-6 * sqrt(K), five times less than specified, of the value and of the size of all values together. bf16: one rounding, 2^-8 of the
 * value (half of that, and as much again for a neighbour that an f32 error pushed it to), beside the same errors of f32 sums. */
static void check_output(const vg_tensor *y, const wanted *w, const proof *p, const model *m, const test_case *t, run_kind run) {
  double sum = 2e-6 * sqrt(p->terms ? p->terms(m) : 1), half = y->dtype == VG_BF16 ? 1 / 256.0 : 0;
  double size = size_of(w->y, w->n);
  for (int64_t i = 0; i < w->n; i++) {
    double got = vg_tensor_get(y, i), want = w->y[i];
    bool close = p->moves || y->dtype == VG_I32 ? got == want : fabs(got - want) <= (sum + half) * fabs(want) + sum * size + half * size / 256;
    if (!close) fail_msg("%s: '%s', %s: output %lld is %.9g, the formula says %.9g", t->op->name, t->text, RUN_NAMES[run], (long long)i, got, want);
  }
}

/* The specification's tolerances in f32: atol 1e-5, rtol 1e-3. bf16: the output's gradient is exact, but operators may work from an output or a
 * sum that was rounded, an error of 2^-8 of what is large. */
static void check_gradient(const vg_tensor *g, const wanted *w, const proof *p, int i, const test_case *t, run_kind run, double sign) {
  int64_t n = vg_tensor_count(g), step = w->step[i];
  double size = size_of(w->grad[i], (n + step - 1) / step), rtol = run == F32 ? 1e-3 : 1.5e-2;
  double atol = 1e-5 * (1 + size) + (run == F32 ? 0 : 1e-2 * size + p->slack);
  for (int64_t k = 0; k < n; k += step) {
    double got = sign * vg_tensor_get(g, k), want = w->grad[i][k / step];
    if (!(fabs(got - want) <= atol + rtol * fabs(want)))
      fail_msg("%s: '%s', %s: gradient %lld of input %d is %.8g, differences say %.8g", t->op->name, t->text, RUN_NAMES[run], (long long)k, i + 1,
          got, want);
  }
}

static void ok(vg_status s, const test_case *t, run_kind run) {
  if (s != VG_OK) fail_msg("%s: '%s', %s: %s", t->op->name, t->text, RUN_NAMES[run], vg_message());
}

/* The dtype that the operator's rule promises. */
static vg_dtype wanted_dtype(const proof *p, const test_case *t, run_kind run) {
  vg_dtype a = dtype_of(&t->in[0], run), b = t->n_in > 1 ? dtype_of(&t->in[1], run) : a;
  int64_t na = vg_shape_count(&t->in[0].shape), nb = vg_shape_count(&t->in[1].shape);
  switch (p->dtype) {
    case 'f': return VG_F32;
    case 'i': return VG_I32;
    case 'b': return a == b || na > nb ? a : nb > na ? b : VG_F32;
    case 'x':
      for (int i = 1; i < t->n_in; i++)
        if (!t->in[i].absent) return dtype_of(&t->in[i], run);
      return a;
    default: return a;
  }
}

/* --- one run -------------------------------------------------------------------------------------------------------------------------- */

typedef struct inputs {
  vg_tensor *leaf[VG_MAX_IN], *grad[VG_MAX_IN];   /* grad: a guarded view that the leaf collects into */
} inputs;

static void open_inputs(inputs *s, const test_case *t, const model *m, run_kind run) {
  *s = (inputs){ { 0 }, { 0 } };
  for (int i = 0; i < t->n_in; i++) {
    if (t->in[i].absent) continue;
    if (t->same && i > 0) {
      s->leaf[i] = vg_tensor_retain(s->leaf[0]);
      continue;
    }
    s->leaf[i] = input_tensor(t, m, i, run);
    if (!has_gradient(t, i)) continue;
    s->leaf[i]->wants_grad = s->leaf[i]->grad_stale = true;
    s->leaf[i]->grad = guarded(VG_F32, &s->leaf[i]->shape);
    s->grad[i] = vg_tensor_retain(s->leaf[i]->grad);
  }
}

static void close_inputs(inputs *s, const test_case *t, run_kind run) {
  for (int i = 0; i < t->n_in; i++) {
    if (s->leaf[i] && !guards_hold(s->leaf[i])) fail_msg("%s: '%s', %s: wrote beside input %d", t->op->name, t->text, RUN_NAMES[run], i + 1);
    if (s->grad[i] && !guards_hold(s->grad[i]))
      fail_msg("%s: '%s', %s: wrote beside the gradient of input %d", t->op->name, t->text, RUN_NAMES[run], i + 1);
    vg_tensor_release(s->leaf[i]);
    vg_tensor_release(s->grad[i]);
  }
}

static vg_call call_of(const test_case *t, const model *m) {
  vg_call c = { .op = t->op, .n_in = t->n_in, .train = t->train, .rng = m->rng };
  memcpy(c.arg, t->arg, sizeof c.arg);
  return c;
}

/* The operator on the tape; in a run with BF16_VALUE each differentiable input is the negative of its leaf, so that its gradient is a bf16 value
 * of the tape. *out is owned by the caller. */
static void apply(vg_tensor **out, vg_tape *tape, const test_case *t, const model *m, const inputs *s, run_kind run) {
  vg_call c = call_of(t, m);
  vg_tensor *turned[VG_MAX_IN] = { NULL };
  for (int i = 0; i < t->n_in; i++) {
    c.in[i] = s->leaf[i];
    if (run != BF16_VALUE || !has_gradient(t, i) || s->leaf[i]->dtype != VG_BF16) continue;
    vg_call neg = { .n_in = 1, .in = { s->leaf[i] } };
    vg_op_defaults(&neg, vg_op_find("neg"));
    ok(vg_tape_apply(&turned[i], tape, &neg), t, run);
    c.in[i] = turned[i];
  }
  if (t->same)
    for (int i = 1; i < t->n_in; i++) c.in[i] = c.in[0];
  ok(vg_tape_apply(out, tape, &c), t, run);
  for (int i = 0; i < t->n_in; i++) vg_tensor_release(turned[i]);
}

static void backward(vg_tape *tape, vg_tensor *y, const test_case *t, run_kind run) {
  vg_tensor *seed;
  ok(vg_tensor_like(&seed, y), t, run);
  for (int64_t i = 0, n = vg_tensor_count(y); i < n; i++) vg_tensor_set(seed, i, weight_of(i));
  ok(vg_tape_backward(tape, &y, 1, &(vg_backward_opts){ .seeds = &seed }), t, run);
  vg_tensor_release(seed);
}

static void check_same_bits(const vg_tensor *a, const vg_tensor *b, const char *what, const test_case *t, run_kind run) {
  if (memcmp(vg_tensor_data(a), vg_tensor_data(b), vg_tensor_bytes(a)) != 0)
    fail_msg("%s: '%s', %s: %s: other bits", t->op->name, t->text, RUN_NAMES[run], what);
}

/* A second backward pass adds: exactly twice the first when its bits are the same. */
static void check_doubled(const vg_tensor *g, const vg_tensor *once, int i, const test_case *t, run_kind run) {
  for (int64_t k = 0, n = vg_tensor_count(g); k < n; k++)
    if (vg_f32(g)[k] != 2 * vg_f32(once)[k])
      fail_msg("%s: '%s', %s: gradient %lld of input %d: %.9g, then %.9g together", t->op->name, t->text, RUN_NAMES[run], (long long)k, i + 1,
               (double)vg_f32(once)[k], (double)vg_f32(g)[k]);
}

/* Forward's bits once more from what the call keeps. */
static void check_replay(const vg_tensor *y, const test_case *t, const model *m, const inputs *s, run_kind run) {
  vg_call c = call_of(t, m);
  vg_tensor *first, *anew, *ghost[VG_MAX_IN] = { NULL };
  memcpy(c.in, s->leaf, sizeof c.in);
  c.wants_backward = true;
  ok(vg_op_run(&first, &c), t, run);
  ok(vg_tensor_like(&anew, y), t, run);
  for (int i = 0; i < t->n_in; i++)
    if (c.in[i] && !(t->op->keeps_in >> i & 1)) {
      ok(vg_tensor_ghost(&ghost[i], c.in[i]), t, run);
      c.in[i] = ghost[i];
    }
  ok(t->op->replay(anew, &c), t, run);
  check_same_bits(first, anew, "replay", t, run);
  vg_call_clear(&c);
  vg_tensor_release(first);
  vg_tensor_release(anew);
  for (int i = 0; i < t->n_in; i++) vg_tensor_release(ghost[i]);
}

static void run_once(const proof *p, const test_case *t, const model *m, const wanted *w, run_kind run) {
  inputs s;
  model turned = *m;
  vg_tape *tape;
  vg_tensor *y, *again, *plain, *once[VG_MAX_IN] = { NULL };
  double sign = run == BF16_VALUE ? -1 : 1;
  for (int i = 0; sign < 0 && i < t->n_in; i++) {
    if (!has_gradient(t, i) || dtype_of(&t->in[i], run) != VG_BF16) continue;
    turned.in[i].v = malloc(((size_t)m->in[i].n + 1) * sizeof(double));
    for (int64_t k = 0; k < m->in[i].n; k++) turned.in[i].v[k] = -m->in[i].v[k];
  }
  open_inputs(&s, t, &turned, run);
  ok(vg_tape_new(&tape), t, run);
  apply(&y, tape, t, m, &s, run);
  if (!vg_shape_is_equal(&y->shape, &m->out)) {
    char a[VG_SHAPE_TEXT], b[VG_SHAPE_TEXT];
    fail_msg("%s: '%s': the shape is %s, expected %s", t->op->name, t->text, vg_shape_text(a, &y->shape), vg_shape_text(b, &m->out));
  }
  if (y->dtype != wanted_dtype(p, t, run)) fail_msg("%s: '%s', %s: the output is %s", t->op->name, t->text, RUN_NAMES[run], vg_dtype_name(y->dtype));
  check_output(y, w, p, m, t, run);
  if (!(t->op->flags & VG_OP_NO_GRAD)) {
    backward(tape, y, t, run);
    for (int i = 0; i < t->n_in; i++) {
      if (!s.grad[i]) continue;
      check_gradient(s.grad[i], w, p, i, t, run, turned.in[i].v == m->in[i].v ? 1 : -1);
      ok(vg_tensor_copy(&once[i], s.grad[i]), t, run);
    }
  }
  apply(&again, tape, t, m, &s, run);
  check_same_bits(y, again, "the second run", t, run);
  if (!(t->op->flags & VG_OP_NO_GRAD)) backward(tape, again, t, run);
  for (int i = 0; i < t->n_in; i++)
    if (once[i]) check_doubled(s.grad[i], once[i], i, t, run);
  vg_tape_set_recording(tape, false);
  apply(&plain, tape, t, m, &s, run);
  check_same_bits(y, plain, "without recording", t, run);
  if (t->op->replay) check_replay(y, t, m, &s, run);
  close_inputs(&s, t, run);
  vg_tape_free(tape);
  vg_tensor *all[] = { y, again, plain };
  for (int i = 0; i < 3; i++) vg_tensor_release(all[i]);
  for (int i = 0; i < t->n_in; i++) {
    vg_tensor_release(once[i]);
    if (turned.in[i].v != m->in[i].v) free(turned.in[i].v);
  }
}

/* Shape rule and cost model read no data: they are asked with tensors that have none. */
static void check_without_data(const proof *p, const test_case *t, const model *m) {
  vg_call c = call_of(t, m);
  vg_tensor ghost[VG_MAX_IN];
  vg_shape shape;
  vg_dtype dtype;
  memset(ghost, 0, sizeof ghost);
  for (int i = 0; i < t->n_in; i++) {
    if (t->in[i].absent) continue;
    ghost[i].shape = m->in[i].shape;
    ghost[i].dtype = dtype_of(&t->in[i], F32);
    c.in[i] = &ghost[i];
  }
  ok(vg_op_check(&c), t, F32);
  ok(t->op->shape(&shape, &dtype, &c), t, F32);
  assert_true(vg_shape_is_equal(&shape, &m->out));
  int64_t want = p->macs ? p->macs(m) : 0, got = t->op->macs(&shape, &c);
  if (got != want) fail_msg("%s: '%s': %lld multiply-adds, expected %lld", t->op->name, t->text, (long long)got, (long long)want);
}

static void prove_case(const proof *p, const char *text) {
  test_case t = read_case(vg_op_find(p->op), text);
  model m;
  wanted w;
  build_model(&m, p, &t);
  find_wanted(&w, p, &t, &m);
  check_without_data(p, &t, &m);
  for (run_kind run = F32; run < N_RUNS; run++) run_once(p, &t, &m, &w, run);
  free_wanted(&w);
  free_model(&m, &t);
}

/* --- refusals ------------------------------------------------------------------------------------------------------------------------- */

static void refuse(const vg_call *call, vg_status status, const char *message, const char *text) {
  vg_call c = *call;
  vg_tensor *y = NULL;
  vg_status got = vg_op_run(&y, &c);
  if (got != status || strcmp(vg_message(), message) != 0)
    fail_msg("%s: '%s': got %s '%s', expected %s '%s'", c.op->name, text, vg_status_name(got), got == VG_OK ? "" : vg_message(),
        vg_status_name(status), message);
  assert_null(y);
}

static void prove_refusal(const vg_op *op, const refusal *r) {
  test_case t = read_case(op, r->text);
  model m = { .op = op, .n_in = t.n_in };
  inputs s;
  for (int i = 0; i < t.n_in; i++) {
    m.in[i] = (value){ .shape = t.in[i].shape, .n = vg_shape_count(&t.in[i].shape) };
    m.in[i].v = calloc((size_t)m.in[i].n + 1, sizeof(double));
    for (int64_t k = 0; k < m.in[i].n; k++) m.in[i].v[k] = element(&t.in[i], k, i);
  }
  open_inputs(&s, &t, &m, F32);
  vg_call c = call_of(&t, &m);
  memcpy(c.in, s.leaf, sizeof c.in);
  refuse(&c, r->status, r->message, r->text);
  close_inputs(&s, &t, F32);
  for (int i = 0; i < t.n_in; i++) free(m.in[i].v);
}

/* What every operator refuses: too few or too many inputs, a missing one, arguments out of range. Made from the table itself. */
static void prove_table_refusals(const vg_op *op, const char *text) {
  test_case t = read_case(op, text);
  model m = { .op = op, .n_in = t.n_in };
  vg_tensor *one;
  char want[512];
  assert_int_equal(vg_tensor_zeros(&one, VG_F32, &VG_SHAPE(1)), VG_OK);
  vg_call c = call_of(&t, &m), d;
  for (int i = 0; i < VG_MAX_IN; i++) c.in[i] = one;
  for (int n = op->min_in - 1; n <= op->max_in + 1; n += op->max_in + 2 - op->min_in) {
    c.n_in = n;
    snprintf(want, sizeof want, "%s: expected %d to %d inputs, got %d", op->name, op->min_in, op->max_in, n);
    refuse(&c, VG_EARG, want, "number of inputs");
  }
  c.n_in = op->min_in;
  for (int i = 0; i < op->min_in; i++) {
    d = c;
    d.in[i] = NULL;
    snprintf(want, sizeof want, "%s: input %d is missing", op->name, i + 1);
    refuse(&d, VG_EARG, want, "missing input");
  }
  for (int i = 0; i < vg_op_n_args(op); i++) {
    const vg_arg *a = &op->args[i];
    double most = a->max == 0 ? INFINITY : a->max;
    const double odd[] = { 0.5, NAN, INFINITY, 1e300 };
    for (int k = 0; a->integer && k < 4; k++) {
      d = c;
      d.arg[i] = odd[k];
      snprintf(want, sizeof want, "%s: %s must be an integer, got %g", op->name, a->name, odd[k]);
      refuse(&d, VG_EARG, want, "no integer");
    }
    const double no_word[] = { 99, -1, 0.5 };
    for (int k = 0; a->words && !a->integer && k < 3; k++) {
      d = c;
      d.arg[i] = no_word[k];
      snprintf(want, sizeof want, "%s: %s must be a place in '%s', got %g", op->name, a->name, a->words, no_word[k]);
      refuse(&d, VG_EARG, want, "no word");
    }
    if (a->min == 0 && a->max == 0) continue;
    const double outside[] = { a->min - 1, most + 1, NAN };
    for (int k = 0; k < (a->integer ? 2 : 3); k++) {
      if (k == 1 && a->max == 0) continue;
      d = c;
      d.arg[i] = outside[k];
      snprintf(want, sizeof want, "%s: %s must be between %g and %g, got %g", op->name, a->name, a->min, most, outside[k]);
      refuse(&d, VG_EARG, want, "out of range");
    }
  }
  vg_tensor_release(one);
}

void prove(const proof *p) {
  const vg_op *op = vg_op_find(p->op);
  assert_non_null(op);
  int cases = 0, refusals = 0;
  for (; p->cases[cases]; cases++) prove_case(p, p->cases[cases]);
  for (; p->refusals && p->refusals[refusals].text; refusals++) prove_refusal(op, &p->refusals[refusals]);
  prove_table_refusals(op, p->cases[0]);
  print_message("# %d cases, %d refusals\n", cases, refusals);
  if (cases < FEWEST_CASES || refusals == 0) fail_msg("%s: at least %d cases and a refusal", p->op, FEWEST_CASES);
}
