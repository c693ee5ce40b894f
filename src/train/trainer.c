#include "train/trainer.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/interrupt.h"

static vg_status check(const vg_op **loss, const vg_trainer_opts *o) {
  VG_TRY(vg_schedule_check(&o->schedule));
  if (o->total_steps < 1) return vg_fail(VG_EARG, "trainer: total_steps must be >= 1, got %lld", (long long)o->total_steps);
  if (!(o->clip >= 0)) return vg_fail(VG_EARG, "trainer: clip must be >= 0, got %g", o->clip);
  if (!(o->smoothing >= 0 && o->smoothing < 1)) return vg_fail(VG_EARG, "trainer: smoothing must be in [0, 1), got %g", o->smoothing);
  *loss = NULL;
  if (!o->loss) return VG_OK;
  *loss = vg_op_find(o->loss);
  if (!*loss) return vg_fail(VG_EARG, "trainer: there is no operator '%s' for the loss", o->loss);
  if ((*loss)->min_in > 2 || (*loss)->max_in < 2 || (*loss)->flags & VG_OP_NO_GRAD)
    return vg_fail(VG_EARG, "trainer: operator '%s' is no loss of two inputs", o->loss);
  return VG_OK;
}

vg_status vg_trainer_new(vg_trainer **out, vg_graph *g, const vg_trainer_opts *opts) {
  const vg_op *loss = NULL;
  vg_trainer *t;
  vg_status status;
  VG_TRY(check(&loss, opts));
  VG_TRY(vg_graph_prepare_training(g));
  VG_TRY(VG_NEW(&t));
  t->opts = *opts;
  t->opts.loss = loss ? loss->name : NULL;
  t->g = g;
  t->loss = loss;
  VG_GOTO(vg_optim_new(&t->optim, g, &opts->optim));
  VG_GOTO(vg_tape_new(&t->tape));
  *out = t;
  return VG_OK;
done:
  vg_trainer_free(t);
  return status;
}

void vg_trainer_free(vg_trainer *t) {
  if (!t) return;
  vg_optim_free(t->optim);
  vg_tape_free(t->tape);
  vg_free(t);
}

static vg_status pick_loss(vg_call *c, const vg_trainer *t, const vg_tensor *y) {
  const char *name = y->dtype == VG_I32 ? "cross_entropy" : "soft_cross_entropy";
  const vg_op *op = t->loss ? t->loss : vg_op_find(name);
  if (!op) return vg_fail(VG_EARG, "trainer: there is no operator '%s' for the loss", name);
  vg_op_defaults(c, op);
  c->op = op;
  c->train = true;
  if (t->opts.smoothing == 0) return VG_OK;
  for (int i = 0; i < vg_op_n_args(op); i++) {
    if (strcmp(op->args[i].name, "smoothing") != 0) continue;
    c->arg[i] = t->opts.smoothing;
    return VG_OK;
  }
  return vg_fail(VG_EARG, "trainer: smoothing is set, but the loss '%s' has no such option", op->name);
}

/* *out = the loss of one path on the tape. */
static vg_status forward(vg_tensor **out, vg_trainer *t, vg_tensor *x, vg_tensor *y, const vg_paths *paths, int k) {
  vg_call c = { 0 };
  vg_run_opts run = { .tape = t->tape, .train = true, .rng = vg_rng_at(t->opts.seed, vg_rng_stream("step", 4, t->step * paths->n + k)) };
  if (paths->slots) run.slots = paths->slots + (size_t)k * (size_t)t->g->n_slots;
  vg_tensor *logits;
  VG_TRY(pick_loss(&c, t, y));
  VG_TRY(vg_graph_run(&logits, t->g, x, &run));
  c.n_in = 2;
  c.in[0] = logits;
  c.in[1] = y;
  vg_status s = vg_tape_apply(out, t->tape, &c);
  vg_tensor_release(logits);
  if (s != VG_OK || vg_tensor_count(*out) == 1) return s;
  vg_tensor_release(*out);
  return vg_fail(VG_ESHAPE, "trainer: the loss '%s' must give one number", c.op->name);
}

/* Forward and backward of one path; its gradients join those of the paths before. */
static vg_status run_path(double *loss, vg_trainer *t, vg_tensor *x, vg_tensor *y, const vg_paths *paths, int k) {
  vg_tensor *total = NULL;
  vg_status status;
  VG_GOTO(forward(&total, t, x, y, paths, k));
  *loss = vg_tensor_get(total, 0);
  if (!isfinite(*loss)) VG_GOTO(vg_fail(VG_ENAN, "train: the loss is %g at step %lld", *loss, (long long)t->step + 1));
  VG_GOTO(vg_tape_backward(t->tape, &total, 1, NULL));
done:
  vg_tensor_release(total);
  vg_tape_reset(t->tape);
  return status;
}

static vg_status step(double *loss, vg_trainer *t, vg_tensor *x, vg_tensor *y, const vg_paths *given) {
  vg_paths paths = given ? *given : (vg_paths){ .n = 1 };
  double sum = 0;
  if (vg_interrupted) return vg_fail(VG_EINTR, "train: interrupted before step %lld", (long long)t->step + 1);
  if (paths.n < 1) return vg_fail(VG_EARG, "train: a step takes at least one path, got %d", paths.n);
  vg_graph_zero_grads(t->g);
  vg_tape_set_replay(t->tape, t->opts.replay == VG_REPLAY_ON || (t->opts.replay == VG_REPLAY_AUTO && t->g->precision == VG_F32));
  for (int k = 0; k < paths.n; k++) {
    double one;
    VG_TRY(run_path(&one, t, x, y, &paths, k));
    sum += one;
  }
  double share = t->opts.average ? 1.0 / paths.n : 1;
  t->grad_norm = share * vg_optim_grad_norm(t->optim);
  if (!isfinite(t->grad_norm)) return vg_fail(VG_ENAN, "train: the gradient's norm is %g at step %lld", t->grad_norm, (long long)t->step + 1);
  t->lr = vg_schedule_lr(&t->opts.schedule, t->step, t->opts.total_steps);
  double scale = t->opts.clip > 0 && t->grad_norm > t->opts.clip ? t->opts.clip / t->grad_norm : 1;
  vg_optim_step(t->optim, t->lr, share * scale);
  t->step++;
  *loss = sum / paths.n;
  return VG_OK;
}

vg_status vg_trainer_step(double *loss, vg_trainer *t, vg_tensor *x, vg_tensor *y, const vg_paths *paths) {
  vg_graph_want_group(t->g, t->opts.group);
  vg_status status = step(loss, t, x, y, paths);
  vg_graph_want_all(t->g);
  return status;
}

/* --- scores ----------------------------------------------------------------------------------------------------------------------- */

static void score_row(vg_score *score, const float *z, int64_t k, int64_t label) {
  int64_t best = 0;
  double sum = 0;
  for (int64_t i = 1; i < k; i++)
    if (z[i] > z[best]) best = i;
  for (int64_t i = 0; i < k; i++) sum += exp((double)z[i] - z[best]);
  score->n++;
  score->correct += best == label;
  score->loss_sum += log(sum) + z[best] - z[label];
}

static vg_status check_scores(const vg_tensor *logits, const vg_tensor *y) {
  char a[VG_SHAPE_TEXT], b[VG_SHAPE_TEXT];
  if (logits->shape.rank != 2 || y->shape.rank != 1 || y->dtype != VG_I32 || y->shape.dim[0] != logits->shape.dim[0])
    return vg_fail(VG_ESHAPE, "evaluate: expected outputs [N, K] and i32 labels [N], got %s and %s %s", vg_shape_text(a, &logits->shape),
                   vg_dtype_name(y->dtype), vg_shape_text(b, &y->shape));
  for (int64_t i = 0; i < y->shape.dim[0]; i++)
    if (vg_i32(y)[i] < 0 || vg_i32(y)[i] >= logits->shape.dim[1])
      return vg_fail(VG_EARG, "evaluate: label %d is outside of the %lld outputs", vg_i32(y)[i], (long long)logits->shape.dim[1]);
  return VG_OK;
}

static vg_status score_output(vg_score *score, const vg_tensor *out, const vg_tensor *y) {
  vg_score batch = { 0 };
  vg_tensor *logits;
  VG_TRY(vg_tensor_cast(&logits, out, VG_F32));
  vg_status status = check_scores(logits, y);
  int64_t k = status == VG_OK ? logits->shape.dim[1] : 0;
  for (int64_t i = 0; status == VG_OK && i < y->shape.dim[0]; i++) score_row(&batch, vg_f32(logits) + i * k, k, vg_i32(y)[i]);
  vg_tensor_release(logits);
  score->n += batch.n;
  score->correct += batch.correct;
  score->loss_sum += batch.loss_sum;               /* batch by batch, so that who adds batches up elsewhere gets the same bits */
  return status;
}

vg_status vg_score_add(vg_score *score, vg_graph *g, vg_tensor *x, const vg_tensor *y, const double *slots) {
  vg_tensor *out;
  if (vg_interrupted) return vg_fail(VG_EINTR, "evaluate: interrupted");
  VG_TRY(vg_graph_run(&out, g, x, &(vg_run_opts){ .slots = slots }));
  vg_status status = score_output(score, out, y);
  vg_tensor_release(out);
  return status;
}

typedef struct scoring {
  vg_score *scores;
  const vg_tensor *y;
} scoring;

static vg_status score_network(void *to, int network, const vg_tensor *output) {
  const scoring *s = to;
  return score_output(&s->scores[network], output, s->y);
}

vg_status vg_score_population(vg_score *scores, vg_population *p, vg_tensor *x, const vg_tensor *y) {
  return vg_population_run(p, x, score_network, &(scoring){ scores, y });
}
