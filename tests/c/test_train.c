/* Schedules, optimisers against their formulas as plain loops, and training of a small network. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/interrupt.h"
#include "base/threads.h"
#include "train/checkpoint.h"

#define OK(expr) do { vg_status s_ = (expr); if (s_ != VG_OK) fail_msg("%s: %s", #expr, vg_message()); } while (0)

static void schedules(void **state) {
  (void)state;
  vg_schedule s = { .kind = VG_SCHEDULE_COSINE, .lr = 0.5, .warmup = 5, .floor = 0.1 };
  OK(vg_schedule_check(&s));
  assert_true(fabs(vg_schedule_lr(&s, 0, 25) - 0.1) < 1e-12);
  assert_true(fabs(vg_schedule_lr(&s, 4, 25) - 0.5) < 1e-12);
  assert_true(fabs(vg_schedule_lr(&s, 15, 25) - 0.3) < 1e-12);      /* half way between lr and floor */
  assert_true(fabs(vg_schedule_lr(&s, 99, 25) - 0.1) < 1e-12);
  vg_schedule stairs = { .kind = VG_SCHEDULE_STEP, .lr = 1, .factor = 0.1, .n_at = 2, .at = { 10, 20 } };
  assert_true(vg_schedule_lr(&stairs, 9, 30) == 1);
  assert_true(fabs(vg_schedule_lr(&stairs, 10, 30) - 0.1) < 1e-15);
  assert_true(fabs(vg_schedule_lr(&stairs, 29, 30) - 0.01) < 1e-15);
  stairs.at[1] = 10;
  assert_int_equal(vg_schedule_check(&stairs), VG_EARG);
  s.lr = 0;
  assert_int_equal(vg_schedule_check(&s), VG_EARG);
}

/* Three parameters; the second does not decay, the third is big enough for several pieces. */
enum { A = 37, B = 20, C = 40000, ALL = A + B + C };
static vg_graph *three(void) {
  vg_graph *g;
  int id;
  OK(vg_graph_new(&g, &VG_SHAPE(4)));
  OK(vg_graph_param(&id, g, "a", &VG_SHAPE(A), VG_INIT_UNIFORM, 1, true));
  OK(vg_graph_param(&id, g, "b", &VG_SHAPE(B), VG_INIT_UNIFORM, 1, false));
  OK(vg_graph_param(&id, g, "c", &VG_SHAPE(200, 200), VG_INIT_UNIFORM, 1, true));
  OK(vg_graph_materialise(g, 7));
  OK(vg_graph_prepare_training(g));
  return g;
}

typedef struct plain { double w[ALL], m[ALL], v[ALL]; int t[3]; } plain;

/* The formulas of PyTorch's documentation, a parameter at a time, in double. */
static void plain_step(plain *p, const float *grads, const bool *touched, const vg_optim_opts *o, double lr, double scale) {
  static const int BEGIN[] = { 0, A, A + B, ALL };
  for (int k = 0; k < 3; k++) {
    if (!touched[k]) continue;
    double decay = k == 1 && !o->decay_norms ? 0 : o->weight_decay;
    int t = ++p->t[k];
    for (int i = BEGIN[k]; i < BEGIN[k + 1]; i++) {
      double g = scale * grads[i];
      if (o->kind == VG_ADAMW) p->w[i] -= lr * decay * p->w[i];
      else g += decay * p->w[i];
      if (o->kind == VG_SGD) {
        p->m[i] = t == 1 ? g : o->momentum * p->m[i] + g;
        p->w[i] -= lr * (o->nesterov ? g + o->momentum * p->m[i] : p->m[i]);
        continue;
      }
      p->m[i] = o->beta1 * p->m[i] + (1 - o->beta1) * g;
      p->v[i] = o->beta2 * p->v[i] + (1 - o->beta2) * g * g;
      p->w[i] -= lr * p->m[i] / (1 - pow(o->beta1, t)) / (sqrt(p->v[i] / (1 - pow(o->beta2, t))) + o->eps);
    }
  }
}

static plain yardstick;

static void compare(const vg_optim_opts *opts, bool half) {
  static const bool TOUCHED[4][3] = { { 1, 1, 1 }, { 1, 0, 1 }, { 0, 1, 0 }, { 1, 1, 1 } };
  vg_graph *g = three();
  vg_optim *o;
  if (half) OK(vg_graph_set_precision(g, VG_BF16));
  OK(vg_optim_new(&o, g, opts));
  memset(&yardstick, 0, sizeof yardstick);
  for (int i = 0; i < ALL; i++) yardstick.w[i] = vg_f32(g->values)[i];
  for (int step = 0; step < 4; step++) {
    vg_rng r = vg_rng_at(3, (uint64_t)step);
    vg_rng_fill_normal(&r, vg_f32(g->grads), ALL, 0, 1);
    for (int k = 0; k < 3; k++) g->nodes[k + 1].tensor->grad_stale = !TOUCHED[step][k];
    plain_step(&yardstick, vg_f32(g->grads), TOUCHED[step], opts, 0.01, 0.7);
    vg_optim_step(o, 0.01, 0.7);
  }
  for (int i = 0; i < ALL; i++) {
    double w = vg_f32(g->values)[i];
    if (fabs(w - yardstick.w[i]) > 2e-5) fail_msg("kind %d element %d: %.9g, the formula gives %.9g", opts->kind, i, w, yardstick.w[i]);
    if (half) assert_int_equal(vg_bf16(g->shadow)[i], vg_f32_to_bf16(vg_f32(g->values)[i]));
  }
  vg_optim_free(o);
  vg_graph_free(g);
}

static void optimisers(void **state) {
  (void)state;
  vg_optim_opts sgd = vg_optim_defaults(VG_SGD), adam = vg_optim_defaults(VG_ADAM), adamw = vg_optim_defaults(VG_ADAMW);
  compare(&sgd, false);
  sgd.weight_decay = adam.weight_decay = adamw.weight_decay = 0.05;
  sgd.momentum = 0.9;
  compare(&sgd, false);
  sgd.nesterov = true;
  compare(&sgd, true);
  compare(&adam, false);
  compare(&adamw, true);
  adamw.decay_norms = true;
  compare(&adamw, false);
  vg_graph *g = three();
  vg_optim *o = NULL;
  sgd.momentum = 0;
  assert_int_equal(vg_optim_new(&o, g, &sgd), VG_EARG);             /* nesterov without momentum */
  vg_graph_free(g);
}

static void norm_is_deterministic(void **state) {
  (void)state;
  vg_graph *g = three();
  vg_optim *o;
  vg_optim_opts sgd = vg_optim_defaults(VG_SGD);
  OK(vg_optim_new(&o, g, &sgd));
  vg_rng r = vg_rng_at(3, 1);
  vg_rng_fill_normal(&r, vg_f32(g->grads), ALL, 0, 1);
  double sum = 0;
  for (int k = 1; k <= 3; k++) g->nodes[k].tensor->grad_stale = k == 2;
  for (int i = 0; i < ALL; i++) sum += i >= A && i < A + B ? 0 : (double)vg_f32(g->grads)[i] * vg_f32(g->grads)[i];
  int before = vg_threads();
  vg_threads_set(1);
  double one = vg_optim_grad_norm(o);
  vg_threads_set(2);
  double two = vg_optim_grad_norm(o);
  vg_threads_set(before);
  assert_true(one == two);
  assert_true(fabs(one - sqrt(sum)) < 1e-9 * sqrt(sum));
  vg_optim_free(o);
  vg_graph_free(g);
}

/* --- a small network: 4 features, 32 hidden units, 2 classes --------------------------------------------------------------------- */

enum { FEATURES = 4, HIDDEN = 32, BATCH = 64 };

static int add_linear(vg_graph *g, const char *name, int in, int from, int to) {
  char text[32];
  int w, b, y;
  snprintf(text, sizeof text, "%s.weight", name);
  OK(vg_graph_param(&w, g, text, &VG_SHAPE(to, from), VG_INIT_KAIMING_NORMAL, from, true));
  snprintf(text, sizeof text, "%s.bias", name);
  OK(vg_graph_param(&b, g, text, &VG_SHAPE(to), VG_INIT_UNIFORM, from, false));
  OK(vg_graph_op(&y, g, name, vg_op_find("linear"), (int[]){ in, w, b }, 3, NULL));
  return y;
}

static vg_graph *network(uint64_t seed) {
  vg_graph *g;
  int hidden, id;
  OK(vg_graph_new(&g, &VG_SHAPE(FEATURES)));
  hidden = add_linear(g, "hidden", 0, FEATURES, HIDDEN);
  OK(vg_graph_op(&id, g, "relu", vg_op_find("relu"), &hidden, 1, NULL));
  OK(vg_graph_set_output(g, add_linear(g, "head", id, HIDDEN, 2)));
  OK(vg_graph_materialise(g, seed));
  return g;
}

/* Class = whether the first two features have the same sign: no linear map does better than chance. */
static void batch(vg_tensor **x, vg_tensor **y, uint64_t number) {
  vg_rng r = vg_rng_at(11, number);
  OK(vg_tensor_new(x, VG_F32, &VG_SHAPE(BATCH, FEATURES)));
  OK(vg_tensor_new(y, VG_I32, &VG_SHAPE(BATCH)));
  vg_rng_fill_normal(&r, vg_f32(*x), BATCH * FEATURES, 0, 1);
  for (int i = 0; i < BATCH; i++) {
    float *row = vg_f32(*x) + i * FEATURES;
    for (int k = 0; k < 2; k++) row[k] += row[k] > 0 ? 0.2f : -0.2f;
    vg_i32(*y)[i] = (row[0] > 0) == (row[1] > 0);
  }
}

static vg_trainer_opts options(vg_optim_kind kind) {
  vg_trainer_opts o = { .optim = vg_optim_defaults(kind), .schedule = { .kind = VG_SCHEDULE_COSINE, .lr = 0.1, .warmup = 5 }, .total_steps = 300, .seed = 5 };
  if (kind == VG_SGD) {
    o.optim.momentum = 0.9;
    o.optim.nesterov = true;
  } else {
    o.schedule.lr = 0.01;
  }
  o.optim.weight_decay = 1e-4;
  o.clip = 1;
  return o;
}

static void steps(vg_trainer *t, int64_t until) {
  while (t->step < until) {
    vg_tensor *x, *y;
    double loss;
    batch(&x, &y, (uint64_t)t->step);
    OK(vg_trainer_step(&loss, t, x, y, NULL));
    vg_tensor_release(x);
    vg_tensor_release(y);
  }
}

static double accuracy(vg_graph *g) {
  vg_score score = { 0 };
  for (uint64_t i = 0; i < 8; i++) {
    vg_tensor *x, *y;
    batch(&x, &y, 100000 + i);
    OK(vg_score_add(&score, g, x, y, NULL));
    vg_tensor_release(x);
    vg_tensor_release(y);
  }
  assert_int_equal(score.n, 8 * BATCH);
  return (double)score.correct / (double)score.n;
}

static void learns(void **state) {
  (void)state;
  for (int kind = VG_SGD; kind <= VG_ADAMW; kind++) {
    vg_graph *g = network(1);
    vg_trainer *t;
    vg_trainer_opts o = options((vg_optim_kind)kind);
    o.smoothing = 0.05;
    OK(vg_trainer_new(&t, g, &o));
    steps(t, o.total_steps);
    double got = accuracy(g);
    if (got <= 0.95) fail_msg("optimiser %d: accuracy %g, expected over 0.95", kind, got);
    vg_trainer_free(t);
    vg_graph_free(g);
  }
}

static void learns_in_bf16(void **state) {
  (void)state;
  vg_graph *g = network(1);
  vg_trainer *t;
  vg_trainer_opts o = options(VG_SGD);
  OK(vg_graph_set_precision(g, VG_BF16));
  OK(vg_trainer_new(&t, g, &o));
  steps(t, o.total_steps);
  double got = accuracy(g);
  if (got <= 0.95) fail_msg("bf16: accuracy %g, expected over 0.95", got);
  vg_trainer_free(t);
  vg_graph_free(g);
}

static void refuses(void **state) {
  (void)state;
  vg_graph *g = network(1);
  vg_trainer *t = NULL;
  vg_tensor *x, *y;
  double loss = -1;
  vg_trainer_opts o = options(VG_SGD);
  o.loss = "no_such_loss";
  assert_int_equal(vg_trainer_new(&t, g, &o), VG_EARG);
  o.loss = NULL;
  OK(vg_trainer_new(&t, g, &o));
  batch(&x, &y, 0);
  vg_f32(x)[3] = NAN;
  steps(t, 2);
  float first = vg_f32(g->values)[0];
  assert_int_equal(vg_trainer_step(&loss, t, x, y, NULL), VG_ENAN);
  assert_non_null(strstr(vg_message(), "step 3"));
  assert_true(first == vg_f32(g->values)[0] && loss == -1 && t->step == 2);
  vg_interrupted = 1;
  assert_int_equal(vg_trainer_step(&loss, t, x, y, NULL), VG_EINTR);
  vg_interrupted = 0;
  vg_tensor_release(x);
  vg_tensor_release(y);
  steps(t, 3);                                           /* and goes on */
  vg_trainer_free(t);
  vg_graph_free(g);
}

/* Stopped at any of several steps and loaded into a fresh network, training ends with the bits of the run that was not stopped. */
static void resumes_with_equal_bits(void **state) {
  (void)state;
  static const char PATH[] = "test_train.ckpt.safetensors", PREVIOUS[] = "test_train.ckpt.safetensors.prev";
  static const int STOP[] = { 1, 7, 20 };
  int before = vg_threads();
  vg_threads_set(1);
  for (int kind = VG_SGD; kind <= VG_ADAMW; kind++) {
    vg_trainer_opts o = options((vg_optim_kind)kind);
    vg_graph *whole = network(1);
    vg_trainer *t;
    OK(vg_trainer_new(&t, whole, &o));
    steps(t, 30);
    vg_trainer_free(t);
    for (int i = 0; i < 3; i++) {
      vg_graph *first = network(1), *second = network(2);
      vg_checkpoint_loaded loaded;
      OK(vg_trainer_new(&t, first, &o));
      steps(t, STOP[i]);
      t->epoch = 3;
      OK(vg_checkpoint_save(PATH, t, "mine"));
      assert_int_not_equal(access(PREVIOUS, F_OK), 0);
      vg_trainer_free(t);
      OK(vg_trainer_new(&t, second, &o));
      assert_int_equal(rename(PATH, PREVIOUS), 0);              /* as a crash between the two renames leaves it */
      FILE *damaged = fopen(PATH, "w");
      fputs("not a checkpoint", damaged);
      fclose(damaged);
      OK(vg_checkpoint_load(&loaded, t, PATH));
      assert_true(loaded.fell_back && t->step == STOP[i] && t->epoch == 3);
      assert_string_equal(loaded.user, "mine");
      vg_free(loaded.user);
      steps(t, 30);
      assert_memory_equal(vg_f32(second->values), vg_f32(whole->values), vg_tensor_bytes(whole->values));
      t->opts.schedule.lr *= 2;
      assert_int_equal(vg_checkpoint_load(&loaded, t, PATH), VG_EARG);
      assert_non_null(strstr(vg_message(), "'lr'"));
      vg_trainer_free(t);
      vg_graph_free(first);
      vg_graph_free(second);
      unlink(PATH);
      unlink(PREVIOUS);
    }
    vg_graph_free(whole);
  }
  vg_threads_set(before);
}

static void write_bytes(const char *path, const char *bytes, size_t n) {
  FILE *f = fopen(path, "wb");
  assert_int_equal(fwrite(bytes, 1, n, f), n);
  fclose(f);
}

/* Cut at 200 places and changed in 2,000: the file is read as it was written, or it is refused and the one before it read. */
static void damage_is_found_and_the_older_file_read(void **state) {
  (void)state;
  static const char PATH[] = "test_damage.ckpt.safetensors", PREVIOUS[] = "test_damage.ckpt.safetensors.prev";
  vg_trainer_opts o = options(VG_ADAM);
  vg_graph *g = network(1), *h = network(2);
  vg_trainer *t, *again;
  void *whole;
  size_t size;
  OK(vg_trainer_new(&t, g, &o));
  OK(vg_trainer_new(&again, h, &o));
  steps(t, 2);
  OK(vg_checkpoint_save("test_older", t, "older"));
  steps(t, 7);
  OK(vg_checkpoint_save(PATH, t, "newer"));
  assert_int_equal(rename("test_older", PREVIOUS), 0);
  OK(vg_file_read(&whole, &size, PATH, 1 << 24));
  char *bytes = whole;
  uint64_t dice = 1;
  int found = 0;
  for (int i = 0; i < 2200; i++) {
    dice = dice * 6364136223846793005u + 1442695040888963407u;
    size_t at = (size_t)(dice >> 33) % size;
    if (i < 200) at = size * (size_t)i / 200;
    char kept = bytes[at];
    if (i >= 200) bytes[at] ^= (char)(1 << (dice >> 29 & 7));
    write_bytes(PATH, bytes, i < 200 ? at : size);
    bytes[at] = kept;
    vg_checkpoint_loaded loaded;
    OK(vg_checkpoint_load(&loaded, again, PATH));
    found += loaded.fell_back;
    assert_string_equal(loaded.user, loaded.fell_back ? "older" : "newer");
    assert_int_equal(again->step, loaded.fell_back ? 2 : 7);
    if (!loaded.fell_back) assert_memory_equal(vg_f32(h->values), vg_f32(g->values), vg_tensor_bytes(g->values));
    vg_free(loaded.user);
  }
  assert_true(found >= 2190);             /* a changed blank or the name of a checksum harms nothing */
  vg_free(whole);
  unlink(PATH);
  unlink(PREVIOUS);
  vg_trainer_free(t);
  vg_trainer_free(again);
  vg_graph_free(g);
  vg_graph_free(h);
}

/* --- a step in two parts ---------------------------------------------------------------------------------------------------------- */

/* Hidden units are normalised and scaled by `alpha`, of the architecture, which was added between two weights; `idle` is read by nothing. */
static vg_graph *gated(void) {
  vg_graph *g;
  int h, mean, var, alpha, idle;
  OK(vg_graph_new(&g, &VG_SHAPE(FEATURES)));
  h = add_linear(g, "hidden", 0, FEATURES, HIDDEN);
  OK(vg_graph_param(&alpha, g, "alpha", &VG_SHAPE(1, HIDDEN), VG_INIT_UNIFORM, 1, true));
  OK(vg_graph_set_group(g, alpha, VG_ARCH));
  OK(vg_graph_buffer(&mean, g, "mean", &VG_SHAPE(HIDDEN), 0));
  OK(vg_graph_buffer(&var, g, "var", &VG_SHAPE(HIDDEN), 1));
  OK(vg_graph_op(&h, g, "norm", vg_op_find("batch_norm"), (int[]){ h, mean, var }, 3, NULL));
  OK(vg_graph_op(&h, g, "gate", vg_op_find("mul"), (int[]){ h, alpha }, 2, NULL));
  OK(vg_graph_op(&h, g, "drop", vg_op_find("dropout"), &h, 1, (double[VG_MAX_ARGS]){ 0.3 }));
  OK(vg_graph_set_output(g, add_linear(g, "head", h, HIDDEN, 2)));
  OK(vg_graph_param(&idle, g, "idle", &VG_SHAPE(9), VG_INIT_UNIFORM, 1, true));
  OK(vg_graph_materialise(g, 3));
  assert_int_equal(vg_graph_set_group(g, idle, VG_ARCH), VG_EARG);
  return g;
}

static const vg_node *find(const vg_graph *g, const char *name) {
  for (int i = 0; i < g->n; i++)
    if (strcmp(g->nodes[i].name, name) == 0) return &g->nodes[i];
  fail_msg("no node '%s'", name);
  return NULL;
}

static vg_trainer *trainer_of(vg_graph *g, vg_group group) {
  vg_trainer *t;
  vg_trainer_opts o = options(VG_SGD);
  o.optim.group = group;
  o.optim.weight_decay = 0.1;
  OK(vg_trainer_new(&t, g, &o));
  return t;
}

static void groups_are_slices(void **state) {
  (void)state;
  vg_graph *g = gated();
  int64_t begin, end;
  vg_graph_slice(&begin, &end, g, VG_ARCH);
  assert_true(begin == g->n_weights && end == g->n_params && end - begin == HIDDEN);
  assert_int_equal(find(g, "alpha")->offset, begin);
  assert_int_equal(find(g, "head.weight")->offset, HIDDEN * FEATURES + HIDDEN);
  for (int i = 0; i < g->n; i++)
    if (g->nodes[i].kind == VG_NODE_PARAM) assert_ptr_equal(vg_f32(g->nodes[i].tensor), vg_f32(g->values) + g->nodes[i].offset);
  vg_graph_free(g);
}

/* Gradients and update are a step, to the bit, in either group; in between nothing moves but the running statistics, and frozen not even those. */
static void parts_make_a_step(void **state) {
  (void)state;
  vg_graph *whole = gated(), *parts = gated();
  vg_trainer *a[2], *b[2];
  double loss, same;
  for (int k = 0; k < 2; k++) {
    a[k] = trainer_of(whole, (vg_group)k);
    b[k] = trainer_of(parts, (vg_group)k);
  }
  for (int step = 0; step < 6; step++) {
    vg_tensor *x, *y, *before, *mean, *grads;
    int k = step % 2;
    batch(&x, &y, (uint64_t)step);
    OK(vg_tensor_copy(&before, parts->values));
    OK(vg_tensor_copy(&mean, find(parts, "mean")->tensor));
    OK(vg_trainer_gradients(&loss, b[k], x, y, &(vg_gradient_opts){ .frozen = true }));
    OK(vg_tensor_copy(&grads, parts->grads));
    assert_memory_equal(vg_f32(mean), vg_f32(find(parts, "mean")->tensor), vg_tensor_bytes(mean));
    OK(vg_trainer_gradients(&loss, b[k], x, y, &(vg_gradient_opts){ .of = VG_OF_BOTH, .frozen = true }));
    int64_t begin, end;
    vg_graph_slice(&begin, &end, parts, (vg_group)k);
    assert_memory_equal(vg_f32(grads) + begin, vg_f32(parts->grads) + begin, (size_t)(end - begin) * sizeof(float));
    OK(vg_trainer_gradients(&loss, b[k], x, y, &(vg_gradient_opts){ .of = step % 3 ? VG_OF_OWN : VG_OF_BOTH }));
    assert_memory_equal(vg_f32(before), vg_f32(parts->values), vg_tensor_bytes(before));
    for (int i = 0; i < 9; i++) assert_true(vg_f32(find(parts, "idle")->tensor->grad)[i] == 0);
    OK(vg_trainer_update(b[k]));
    OK(vg_trainer_step(&same, a[k], x, y, NULL));
    assert_true(loss == same && a[k]->step == b[k]->step && a[k]->grad_norm == b[k]->grad_norm);
    assert_memory_equal(vg_f32(whole->values), vg_f32(parts->values), vg_tensor_bytes(whole->values));
    assert_memory_equal(vg_f32(find(whole, "mean")->tensor), vg_f32(find(parts, "mean")->tensor), vg_tensor_bytes(mean));
    vg_tensor *all[] = { x, y, before, mean, grads };
    for (int i = 0; i < 5; i++) vg_tensor_release(all[i]);
  }
  for (int k = 0; k < 2; k++) {
    vg_trainer_free(a[k]);
    vg_trainer_free(b[k]);
  }
  vg_graph_free(whole);
  vg_graph_free(parts);
}

/* With no clipping it is where the step then goes; momentum and count stay. */
static void virtual_step_is_the_next(void **state) {
  (void)state;
  for (int nesterov = 0; nesterov < 2; nesterov++) {
    vg_graph *g = gated();
    vg_trainer *t = trainer_of(g, VG_WEIGHTS);
    vg_tensor *x, *y, *start, *there, *m;
    double loss, gain;
    t->opts.clip = 0;
    t->optim->opts.nesterov = t->opts.optim.nesterov = nesterov;
    steps(t, 3);
    batch(&x, &y, 3);
    OK(vg_trainer_gradients(&loss, t, x, y, &(vg_gradient_opts){ .frozen = true }));
    OK(vg_tensor_copy(&start, g->values));
    OK(vg_tensor_copy(&m, t->optim->m));
    OK(vg_trainer_virtual_step(&gain, t, vg_trainer_rate(t)));
    OK(vg_tensor_copy(&there, g->values));
    assert_memory_equal(vg_f32(m), vg_f32(t->optim->m), vg_tensor_bytes(m));
    assert_true(memcmp(vg_f32(start), vg_f32(there), vg_tensor_bytes(start)) != 0);
    OK(vg_tensor_assign(g->values, start));
    OK(vg_trainer_step(&loss, t, x, y, NULL));
    assert_memory_equal(vg_f32(there), vg_f32(g->values), vg_tensor_bytes(there));
    assert_true(fabs(gain - t->lr * (nesterov ? 1.9 : 1)) < 1e-12);
    vg_tensor *all[] = { x, y, start, there, m };
    for (int i = 0; i < 5; i++) vg_tensor_release(all[i]);
    vg_trainer_free(t);
    vg_graph_free(g);
  }
  vg_graph *g = gated();
  vg_trainer_opts o = options(VG_ADAM);
  vg_trainer *t;
  double gain;
  OK(vg_trainer_new(&t, g, &o));
  assert_int_equal(vg_trainer_virtual_step(&gain, t, 0.1), VG_EARG);
  vg_trainer_free(t);
  vg_graph_free(g);
}

/* Momentum lies in the arena's order: a file that does not know of architecture parameters was written with another. */
static void a_checkpoint_knows_the_order_of_the_arena(void **state) {
  (void)state;
  static const char PATH[] = "test_train_order.ckpt.safetensors";
  for (int k = 0; k < 2; k++) {
    vg_graph *first = gated(), *second = gated();
    vg_trainer *a = trainer_of(first, (vg_group)k), *b = trainer_of(second, (vg_group)k);
    vg_checkpoint_loaded loaded;
    steps(a, 4);
    OK(vg_checkpoint_save(PATH, a, NULL));
    OK(vg_checkpoint_load(&loaded, b, PATH));
    steps(a, 8);
    steps(b, 8);
    assert_memory_equal(vg_f32(first->values), vg_f32(second->values), vg_tensor_bytes(first->values));
    first->n_weights = first->n_params;                     /* as if there were none */
    OK(vg_checkpoint_save(PATH, a, NULL));
    assert_int_equal(vg_checkpoint_load(&loaded, b, PATH), VG_EARG);
    assert_non_null(strstr(vg_message(), "'arch'"));
    unlink(PATH);
    vg_trainer_free(a);
    vg_trainer_free(b);
    vg_graph_free(first);
    vg_graph_free(second);
  }
}

static void a_diverged_batch_changes_nothing(void **state) {
  (void)state;
  vg_graph *g = gated();
  vg_trainer *t = trainer_of(g, VG_ARCH);
  vg_tensor *x, *y, *before;
  double loss;
  batch(&x, &y, 0);
  OK(vg_trainer_gradients(&loss, t, x, y, &(vg_gradient_opts){ .frozen = true }));
  OK(vg_tensor_copy(&before, g->values));
  vg_f32(g->grads)[g->n_weights] = INFINITY;
  assert_int_equal(vg_trainer_update(t), VG_ENAN);
  vg_f32(x)[0] = NAN;
  assert_int_equal(vg_trainer_gradients(&loss, t, x, y, &(vg_gradient_opts){ .frozen = true }), VG_ENAN);
  assert_memory_equal(vg_f32(before), vg_f32(g->values), vg_tensor_bytes(before));
  for (int i = 0; i < HIDDEN; i++) assert_true(vg_f32(find(g, "mean")->tensor)[i] == 0);
  assert_true(t->step == 0);
  vg_tensor_release(x);
  vg_tensor_release(y);
  vg_tensor_release(before);
  vg_trainer_free(t);
  vg_graph_free(g);
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(schedules),      cmocka_unit_test(optimisers), cmocka_unit_test(norm_is_deterministic), cmocka_unit_test(learns),
    cmocka_unit_test(learns_in_bf16), cmocka_unit_test(refuses),
    cmocka_unit_test(resumes_with_equal_bits), cmocka_unit_test(damage_is_found_and_the_older_file_read),
    cmocka_unit_test(groups_are_slices), cmocka_unit_test(parts_make_a_step),
    cmocka_unit_test(virtual_step_is_the_next), cmocka_unit_test(a_checkpoint_knows_the_order_of_the_arena),
    cmocka_unit_test(a_diverged_batch_changes_nothing),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
