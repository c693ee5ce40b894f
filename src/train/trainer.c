#include "train/trainer.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/interrupt.h"
#include "train/parallel.h"

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

/* *out = the loss of one output of the network on the tape; `loss` has all but its inputs. */
static vg_status apply_loss(vg_tensor **out, vg_trainer *t, vg_call loss, vg_tensor *logits, vg_tensor *y) {
  loss.n_in = 2;
  loss.in[0] = logits;
  loss.in[1] = y;
  VG_TRY(vg_tape_apply(out, t->tape, &loss));
  if (vg_tensor_count(*out) == 1) return VG_OK;
  vg_tensor_release(*out);
  *out = NULL;
  return vg_fail(VG_ESHAPE, "trainer: the loss '%s' must give one number", loss.op->name);
}

/* *sum = main + weight * auxiliary, on the tape. */
static vg_status join(vg_tensor **sum, vg_trainer *t, vg_tensor *main, vg_tensor *auxiliary) {
  vg_call scale = { .op = vg_op_find("scale"), .n_in = 1, .in = { auxiliary }, .arg = { t->g->auxiliary_weight }, .train = true };
  vg_tensor *scaled;
  VG_TRY(vg_tape_apply(&scaled, t->tape, &scale));
  vg_call add = { .op = vg_op_find("add"), .n_in = 2, .in = { main, scaled }, .train = true };
  vg_status s = vg_tape_apply(sum, t->tape, &add);
  vg_tensor_release(scaled);
  return s;
}

/* *out = the loss of one path on the tape, its auxiliary output's included. */
static vg_status forward(vg_tensor **out, vg_trainer *t, vg_tensor *x, vg_tensor *y, const vg_gradient_opts *o, int k) {
  vg_call c = { 0 };
  const vg_paths *paths = &o->paths;
  int64_t draw = (t->step * paths->n + k) | (t->opts.comm ? (int64_t)t->opts.comm->rank << 48 : 0);
  vg_run_opts run = { .tape = t->tape, .train = true, .rng = vg_rng_at(t->opts.seed, vg_rng_stream("step", 4, draw)), .frozen = o->frozen };
  if (paths->slots) run.slots = paths->slots + (size_t)k * (size_t)t->g->n_slots;
  vg_tensor *logits = NULL, *auxiliary = NULL, *loss = NULL, *auxiliary_loss = NULL;
  vg_status status;
  run.auxiliary = &auxiliary;
  VG_TRY(pick_loss(&c, t, y));
  VG_GOTO(vg_graph_run(&logits, t->g, x, &run));
  VG_GOTO(apply_loss(&loss, t, c, logits, y));
  if (auxiliary) {
    VG_GOTO(apply_loss(&auxiliary_loss, t, c, auxiliary, y));
    VG_GOTO(join(out, t, loss, auxiliary_loss));
  } else *out = vg_tensor_retain(loss);
done:
  vg_tensor_release(logits);
  vg_tensor_release(auxiliary);
  vg_tensor_release(loss);
  vg_tensor_release(auxiliary_loss);
  return status;
}

static vg_status run_back(vg_trainer *t, vg_tensor *loss, double share) {
  vg_tensor *seed;
  if (t->g->n_slots && !vg_tape_has(t->tape, loss)) return VG_OK;      /* a path of a supernet that reads no parameter of the group */
  VG_TRY(vg_tensor_like(&seed, loss));
  vg_tensor_fill(seed, share);
  vg_status status = vg_tape_backward(t->tape, &loss, 1, &(vg_backward_opts){ .seeds = &seed });
  vg_tensor_release(seed);
  return status;
}

/* Forward and backward of one path; its gradients, times `share`, join those of the paths before. */
static vg_status run_path(double *loss, vg_trainer *t, vg_tensor *x, vg_tensor *y, const vg_gradient_opts *o, int k, double share) {
  vg_tensor *total = NULL;
  vg_status status;
  VG_GOTO(forward(&total, t, x, y, o, k));
  *loss = vg_tensor_get(total, 0);
  if (!isfinite(*loss)) VG_GOTO(vg_fail(VG_ENAN, "train: the loss is %g at step %lld", *loss, (long long)t->step + 1));
  VG_GOTO(run_back(t, total, share));
done:
  vg_tensor_release(total);
  vg_tape_reset(t->tape);
  return status;
}

static void divide(vg_tensor *grad, int n) {
  float *v = vg_f32(grad);
  for (int64_t i = 0, count = vg_tensor_count(grad); i < count; i++) v[i] /= (float)n;
}

/* What all paths read, a supernet's stem and tail, has gathered n gradients where a choice has one. */
static vg_status average_shared(vg_trainer *t, const vg_paths *paths) {
  void *memory;
  vg_status status = VG_OK;
  VG_TRY(vg_alloc_zero(&memory, (size_t)t->g->n * sizeof(int)));
  int *reads = memory;
  for (int k = 0; k < paths->n && status == VG_OK; k++)
    status = vg_graph_count_reads(reads, t->g, paths->slots ? paths->slots + (size_t)k * (size_t)t->g->n_slots : NULL);
  for (int i = 0; i < t->g->n && status == VG_OK; i++) {
    const vg_node *d = &t->g->nodes[i];
    if (d->kind != VG_NODE_PARAM || reads[i] != paths->n || !d->tensor->wants_grad) continue;
    if (d->tensor->grad && !d->tensor->grad_stale) divide(d->tensor->grad, paths->n);
  }
  vg_free(memory);
  return status;
}

static vg_status run_paths(double *loss, vg_trainer *t, vg_tensor *x, vg_tensor *y, const vg_gradient_opts *o) {
  if (vg_interrupted) return vg_fail(VG_EINTR, "train: interrupted before step %lld", (long long)t->step + 1);
  if (o->paths.n < 1) return vg_fail(VG_EARG, "train: a step takes at least one path, got %d", o->paths.n);
  double sum = 0, share = t->opts.average ? 1.0 / o->paths.n : 1;
  vg_graph_zero_grads(t->g);
  vg_tape_set_replay(t->tape, t->opts.replay == VG_REPLAY_ON || (t->opts.replay == VG_REPLAY_AUTO && t->g->precision == VG_F32));
  for (int k = 0; k < o->paths.n; k++) {
    double one;
    VG_TRY(run_path(&one, t, x, y, o, k, share));
    sum += one;
  }
  if (t->opts.average_shared && o->paths.n > 1) VG_TRY(average_shared(t, &o->paths));
  *loss = sum / o->paths.n;
  return VG_OK;
}

/* The gradients, stale where no path has reached; with `clear`, zeros there. */
static vg_status collect(double *loss, vg_trainer *t, vg_tensor *x, vg_tensor *y, const vg_gradient_opts *o, bool clear) {
  if (o->of == VG_OF_OWN) vg_graph_want_group(t->g, t->opts.optim.group);
  else if (o->of != VG_OF_BOTH) vg_graph_want_group(t->g, o->of == VG_OF_WEIGHTS ? VG_WEIGHTS : VG_ARCH);
  vg_status status = run_paths(loss, t, x, y, o);
  if (t->opts.comm) status = vg__trainer_join_ranks(loss, t, status, x->shape.dim[0], &o->paths);
  if (status == VG_OK && clear) vg_graph_clear_stale(t->g);
  vg_graph_want_all(t->g);
  return status;
}

vg_status vg_trainer_gradients(double *loss, vg_trainer *t, vg_tensor *x, vg_tensor *y, const vg_gradient_opts *opts) {
  vg_gradient_opts o = *opts;
  if (o.paths.n == 0) o.paths = (vg_paths){ .n = 1 };
  return collect(loss, t, x, y, &o, true);
}

double vg_trainer_rate(const vg_trainer *t) { return vg_schedule_lr(&t->opts.schedule, t->step, t->opts.total_steps); }

vg_status vg_trainer_update(vg_trainer *t) {
  t->grad_norm = vg_optim_grad_norm(t->optim);
  if (!isfinite(t->grad_norm)) return vg_fail(VG_ENAN, "train: the gradient's norm is %g at step %lld", t->grad_norm, (long long)t->step + 1);
  t->lr = vg_trainer_rate(t);
  vg_optim_step(t->optim, t->lr, t->opts.clip > 0 && t->grad_norm > t->opts.clip ? t->opts.clip / t->grad_norm : 1);
  t->step++;
  return VG_OK;
}

vg_status vg_trainer_step(double *loss, vg_trainer *t, vg_tensor *x, vg_tensor *y, const vg_paths *paths) {
  double now;
  VG_TRY(collect(&now, t, x, y, &(vg_gradient_opts){ .paths = paths ? *paths : (vg_paths){ .n = 1 } }, false));
  VG_TRY(vg_trainer_update(t));
  *loss = now;
  return VG_OK;
}

vg_status vg_trainer_virtual_step(double *gain, vg_trainer *t, double lr) {
  const vg_optim_opts *o = &t->opts.optim;
  if (o->kind != VG_SGD) return vg_fail(VG_EARG, "trainer: a virtual step wants the optimiser 'sgd'");
  vg_optim_virtual_step(t->optim, lr);
  *gain = o->nesterov ? lr * (1 + o->momentum) : lr;
  return VG_OK;
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
