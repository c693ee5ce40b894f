/* The n-th allocation fails, n = 1, 2, ... until a task succeeds; once with that one alone failing, once with all after it. Each time the task
 * returns an error with a message, nothing it took is left over, and the next try works. */
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/process.h"
#include "cost/count.h"
#include "data/csv.h"
#include "data/loader.h"
#include "graph/graph.h"
#include "kernels/onednn.h"
#include "tensor/npy.h"
#include "tensor/npz.h"
#include "tensor/safetensors.h"
#include "train/checkpoint.h"

static void ok(vg_status s) {
  if (s != VG_OK) fail_msg("%s", vg_message());
}

/* Asks the counter, then malloc: callers give jansson's texts back with free. Its leaks are the address sanitizer's to find. Only while it writes:
 * the reader of jansson 2.14 loses characters when its buffer finds no memory, and then stops on an assertion of its own. */
static bool json_fails;
static void *json_take(size_t bytes) {
  void *p = NULL;
  if (json_fails && vg_alloc(&p, 1) != VG_OK) return NULL;
  vg_free(p);
  return malloc(bytes);
}

/* What is alive. The primitive cache keeps what it made; each of its entries is one small allocation. */
typedef struct alive { size_t bytes; long long small; } alive;
static alive count_alive(void) {
  vg_alloc_stats s = vg_alloc_get_stats();
  return (alive){ s.live_bytes, s.live_small - vg__prim_cache_count() };
}

/* A task takes all it needs, gives all of it back, and returns the first failure. `turn` is 0 in a first run that must succeed,
 * where libraries allocate what they keep; the others may use shapes that this one did not put into the cache of primitives. */
typedef vg_status (*task)(int turn);

static int tries;
static void fail_each(task t, int forever) {
  enum { MOST = 4000 };
  for (int n = 1; n < MOST; n++) {
    alive before = count_alive();
    vg_alloc_fail_at(n, forever);
    vg_status s = t(1);
    vg_alloc_fail_at(0, 0);
    alive after = count_alive();
    if (after.bytes != before.bytes || after.small != before.small)
      fail_msg("allocation %d%s: %lld bytes and %lld allocations left (%s)", n, forever ? " and all after it" : "",
          (long long)after.bytes - (long long)before.bytes,
               after.small - before.small, s == VG_OK ? "success" : vg_message());
    tries++;
    if (s == VG_OK) return;
    if (s != VG_ENOMEM) fail_msg("allocation %d: expected ENOMEM, got %s: %s", n, vg_status_name(s), vg_message());
    assert_true(strlen(vg_message()) > 0);
  }
  fail_msg("still failing after %d allocations", MOST);
}

static void run_task(void **state) {
  task t = *(task *)*state;
  tries = 0;
  ok(t(0));
  fail_each(t, 0);
  fail_each(t, 1);
  ok(t(1));
  print_message("# %d tries\n", tries);
}

/* --- tensors -------------------------------------------------------------------------------------------------------------------------- */

static vg_status tensors(int turn) {
  vg_tensor *a = NULL, *b = NULL, *c = NULL, *d = NULL, *e = NULL;
  vg_status status;
  (void)turn;
  VG_GOTO(vg_tensor_zeros(&a, VG_F32, &VG_SHAPE(30, 40)));
  VG_GOTO(vg_tensor_cast(&b, a, VG_BF16));
  VG_GOTO(vg_tensor_copy(&c, b));
  VG_GOTO(vg_tensor_view(&d, c, 40, &VG_SHAPE(10, 40)));
  VG_GOTO(vg_tensor_ghost(&e, d));
done:;
  vg_tensor *all[] = { a, b, c, d, e };
  for (int i = 0; i < 5; i++) vg_tensor_release(all[i]);
  return status;
}

/* --- layers forward and backward -------------------------------------------------------------------------------------------------------- */

typedef struct layer { const char *op; vg_shape in[5]; int n_in; int arg; double value; } layer;

static vg_status one_layer(const layer *l, vg_dtype dtype) {
  vg_tape *tape = NULL;
  vg_tensor *y = NULL;
  vg_call c = { .n_in = l->n_in, .train = true };
  vg_status status;
  vg_op_defaults(&c, vg_op_find(l->op));
  if (l->arg >= 0) c.arg[l->arg] = l->value;
  for (int i = 0; i < l->n_in; i++) {
    VG_GOTO(vg_tensor_zeros(&c.in[i], i ? VG_F32 : dtype, &l->in[i]));
    vg_tensor_fill(c.in[i], 0.5 + i);
    c.in[i]->wants_grad = true;
  }
  VG_GOTO(vg_tape_new(&tape));
  VG_GOTO(vg_tape_apply(&y, tape, &c));
  VG_GOTO(vg_tape_backward(tape, &y, 1, NULL));
  for (int i = 0; i < l->n_in; i++)
    if (!(c.op->no_grad_in >> i & 1)) assert_non_null(c.in[i]->grad);
done:
  vg_tensor_release(y);
  vg_tape_free(tape);
  for (int i = 0; i < l->n_in; i++) vg_tensor_release(c.in[i]);
  return status;
}

static vg_status layers_of(vg_dtype dtype, int turn) {
  int64_t w = turn ? 6 : 5;
  const layer list[] = {
    { "conv2d", { VG_SHAPE(2, 5, w, 3), VG_SHAPE(4, 3, 3, 3), VG_SHAPE(4) }, 3, 1, 1 },
    { "conv2d", { VG_SHAPE(2, 5, w, 4), VG_SHAPE(4, 3, 3, 1), VG_SHAPE(4) }, 3, 3, 4 },
    { "conv2d", { VG_SHAPE(1, 4, w, 6), VG_SHAPE(5, 1, 1, 6) }, 2, -1, 0 },
    { "batch_norm", { VG_SHAPE(3, w, 4), VG_SHAPE(4), VG_SHAPE(4), VG_SHAPE(4), VG_SHAPE(4) }, 5, 2, 6 },
    { "group_norm", { VG_SHAPE(3, w, 4), VG_SHAPE(4), VG_SHAPE(4) }, 3, 0, 2 },
    { "layer_norm", { VG_SHAPE(3, w), VG_SHAPE(w), VG_SHAPE(w) }, 3, -1, 0 },
    { "linear", { VG_SHAPE(3, w), VG_SHAPE(2, w), VG_SHAPE(2) }, 3, -1, 0 },
    { "softmax", { VG_SHAPE(3, w) }, 1, -1, 0 },
    { "max_pool", { VG_SHAPE(1, 4, w, 3) }, 1, 0, 2 },
    { "div", { VG_SHAPE(3, w), VG_SHAPE(w) }, 2, -1, 0 },
  };
  for (size_t i = 0; i < sizeof list / sizeof *list; i++) VG_TRY(one_layer(&list[i], dtype));
  return VG_OK;
}
static vg_status layers_f32(int turn) { return layers_of(VG_F32, turn); }
static vg_status layers_bf16(int turn) { return layers_of(VG_BF16, turn); }

/* --- graphs ----------------------------------------------------------------------------------------------------------------------------- */

static vg_status add_op(int *id, vg_graph *g, const char *name, const char *op, int n_in, const int *in, int arg, double value) {
  vg_call c = { 0 };
  vg_op_defaults(&c, vg_op_find(op));
  if (arg >= 0) c.arg[arg] = value;
  return vg_graph_op(id, g, name, c.op, in, n_in, c.arg);
}

/* conv, norm, pool, linear: 5 outputs; a second head for training. */
static vg_status build(vg_graph **out) {
  vg_graph *g = NULL;
  vg_status status;
  int w, y, mean, var, gamma, beta, pool, v, z, b, second;
  VG_TRY(vg_graph_new(&g, &VG_SHAPE(8, 8, 3)));
  VG_GOTO(vg_graph_param(&w, g, "conv.weight", &VG_SHAPE(6, 3, 3, 3), VG_INIT_KAIMING_NORMAL, 27, true));
  VG_GOTO(add_op(&y, g, "conv", "conv2d", 2, (int[]){ 0, w }, 1, 1));
  VG_GOTO(vg_graph_buffer(&mean, g, "bn.mean", &VG_SHAPE(6), 0));
  VG_GOTO(vg_graph_buffer(&var, g, "bn.var", &VG_SHAPE(6), 1));
  VG_GOTO(vg_graph_param(&gamma, g, "bn.weight", &VG_SHAPE(6), VG_INIT_ONES, 1, false));
  VG_GOTO(vg_graph_param(&beta, g, "bn.bias", &VG_SHAPE(6), VG_INIT_ZEROS, 1, false));
  VG_GOTO(add_op(&y, g, "bn", "batch_norm", 5, (int[]){ y, mean, var, gamma, beta }, 2, 1));
  VG_GOTO(add_op(&pool, g, "pool", "global_avg_pool", 1, &y, -1, 0));
  VG_GOTO(vg_graph_param(&v, g, "head.weight", &VG_SHAPE(5, 6), VG_INIT_UNIFORM, 6, true));
  VG_GOTO(vg_graph_param(&b, g, "head.bias", &VG_SHAPE(5), VG_INIT_UNIFORM, 6, false));
  VG_GOTO(add_op(&z, g, "head", "linear", 3, (int[]){ pool, v, b }, -1, 0));
  VG_GOTO(add_op(&second, g, "second", "linear", 2, (int[]){ pool, v }, -1, 0));
  VG_GOTO(vg_graph_set_output(g, z));
  VG_GOTO(vg_graph_set_auxiliary(g, second, 0.4));
  VG_GOTO(vg_graph_materialise(g, 1));
  *out = g;
  return VG_OK;
done:
  vg_graph_free(g);
  return status;
}

static vg_status graphs(int turn) {
  vg_graph *g = NULL, *f = NULL;
  vg_tensor *x = NULL, *y = NULL, *z = NULL;
  vg_counts counts;
  vg_status status;
  VG_GOTO(build(&g));
  VG_GOTO(vg_graph_prepare_training(g));
  VG_GOTO(vg_tensor_zeros(&x, VG_F32, &VG_SHAPE(turn ? 2 : 1, 8, 8, 3)));
  VG_GOTO(vg_graph_run(&y, g, x, NULL));
  VG_GOTO(vg_graph_fold(&f, g));
  VG_GOTO(vg_graph_set_precision(f, VG_BF16));
  VG_GOTO(vg_graph_run(&z, f, x, NULL));
  VG_GOTO(vg_count(&counts, g, NULL));
done:
  vg_tensor_release(x);
  vg_tensor_release(y);
  vg_tensor_release(z);
  vg_graph_free(f);
  vg_graph_free(g);
  return status;
}

/* A convolution; a choice of two, one of them with a part of a weight, with norm and activation; pool, linear. */
static vg_status build_supernet(vg_graph **out) {
  vg_graph *g = NULL;
  vg_status status;
  int slot, w, y, full, cut, mean, var, wide, part, z, v, candidate[2];
  VG_TRY(vg_graph_new(&g, &VG_SHAPE(6, 6, 3)));
  VG_GOTO(vg_graph_slot(&slot, g, 0));
  VG_GOTO(vg_graph_param(&w, g, "stem.weight", &VG_SHAPE(6, 3, 3, 3), VG_INIT_KAIMING_NORMAL, 27, true));
  VG_GOTO(add_op(&y, g, "stem", "conv2d", 2, (int[]){ 0, w }, 1, 1));
  VG_GOTO(vg_graph_param(&full, g, "full.weight", &VG_SHAPE(6, 3, 3, 6), VG_INIT_KAIMING_NORMAL, 54, true));
  VG_GOTO(vg_graph_param(&wide, g, "wide.weight", &VG_SHAPE(8, 1, 1, 6), VG_INIT_KAIMING_NORMAL, 6, true));
  VG_GOTO(add_op(&cut, g, "cut", "slice", 1, (int[]){ wide }, 2, 6));
  for (int i = 0; i < 2; i++) {
    VG_GOTO(add_op(&part, g, i ? "b" : "a", "conv2d", 2, (int[]){ y, i ? cut : full }, 1, i ? 0 : 1));
    VG_GOTO(vg_graph_buffer(&mean, g, i ? "b.mean" : "a.mean", &VG_SHAPE(6), 0));
    VG_GOTO(vg_graph_buffer(&var, g, i ? "b.var" : "a.var", &VG_SHAPE(6), 1));
    VG_GOTO(add_op(&candidate[i], g, i ? "b.bn" : "a.bn", "batch_norm", 3, (int[]){ part, mean, var }, 2, i ? 4 : 1));
  }
  VG_GOTO(vg_graph_choice(&y, g, "choice", slot, candidate, 2));
  VG_GOTO(add_op(&z, g, "pool", "global_avg_pool", 1, &y, -1, 0));
  VG_GOTO(vg_graph_param(&v, g, "head.weight", &VG_SHAPE(5, 6), VG_INIT_UNIFORM, 6, true));
  VG_GOTO(add_op(&z, g, "head", "linear", 2, (int[]){ z, v }, -1, 0));
  VG_GOTO(vg_graph_set_output(g, z));
  VG_GOTO(vg_graph_materialise(g, 1));
  *out = g;
  return VG_OK;
done:
  vg_graph_free(g);
  return status;
}

/* A population that failed in a run gives, when there is memory again, what it would have given. */
static vg_status population_of(bool fold, int turn) {
  vg_graph *g = NULL;
  vg_population *p = NULL;
  vg_tensor *x = NULL, *y = NULL;
  vg_score scores[2] = { { 0 } }, again[2] = { { 0 } }, alone = { 0 };
  vg_status status;
  VG_GOTO(build_supernet(&g));
  VG_GOTO(vg_tensor_zeros(&x, VG_F32, &VG_SHAPE(turn ? 2 : 1, 6, 6, 3)));
  VG_GOTO(vg_tensor_zeros(&y, VG_I32, &VG_SHAPE(turn ? 2 : 1)));
  vg_tensor_fill(x, 0.5);
  VG_GOTO(vg_population_new(&p, g, (const double[]){ 0, 1, 0 }, 3, &(vg_population_opts){ .fold = fold, .memory = 1 }));
  assert_int_equal(vg_population_n_networks(p), 2);
  status = vg_score_population(scores, p, x, y);
  if (status == VG_ENOMEM) {
    vg_alloc_fail_at(0, 0);
    ok(vg_score_population(again, p, x, y));
    ok(vg_score_add(&alone, g, x, y, (const double[]){ 1 }));
    double difference = again[vg_population_network_of(p, 1)].loss_sum - alone.loss_sum;
    assert_true(fold ? difference < 1e-5 && difference > -1e-5 : difference == 0);
    status = VG_ENOMEM;
  }
done:
  vg_population_free(p);
  vg_graph_free(g);
  vg_tensor_release(x);
  vg_tensor_release(y);
  return status;
}
/* Recalibration: statistics of each path's own norms. */
static vg_status recalibration(int turn) {
  vg_graph *g = NULL;
  vg_population *p = NULL;
  vg_tensor *x = NULL;
  vg_status status;
  VG_GOTO(build_supernet(&g));
  VG_GOTO(vg_tensor_zeros(&x, VG_F32, &VG_SHAPE(turn ? 2 : 1, 6, 6, 3)));
  VG_GOTO(vg_population_new(&p, g, (const double[]){ 0, 1, 0 }, 3, &(vg_population_opts){ .recalibrates = true }));
  VG_GOTO(vg_population_calibrate(p, x, 1));
  VG_GOTO(vg_population_calibrate(p, x, 2));
done:
  vg_population_free(p);
  vg_graph_free(g);
  vg_tensor_release(x);
  return status;
}
static vg_status population(int turn) { return population_of(false, turn); }
static vg_status population_folded(int turn) { return population_of(true, turn); }

/* --- training ------------------------------------------------------------------------------------------------------------------------- */

static vg_status batch(vg_tensor **x, vg_tensor **y, int64_t n) {
  VG_TRY(vg_tensor_zeros(x, VG_F32, &VG_SHAPE(n, 8, 8, 3)));
  for (int64_t i = 0; i < vg_tensor_count(*x); i++) vg_f32(*x)[i] = (float)(i % 7) - 3;
  VG_TRY(vg_tensor_zeros(y, VG_I32, &VG_SHAPE(n)));
  return VG_OK;
}

static vg_status training_of(vg_optim_kind kind, vg_dtype precision, int turn) {
  vg_graph *g = NULL;
  vg_trainer *t = NULL;
  vg_tensor *x = NULL, *y = NULL;
  vg_score score = { 0 };
  vg_status status;
  double loss;
  vg_trainer_opts o = { .optim = vg_optim_defaults(kind), .schedule = { .lr = 0.1, .factor = 0.1 }, .total_steps = 5, .clip = 1, .smoothing = 0.1 };
  if (kind == VG_SGD) o.optim.momentum = 0.9;
  VG_GOTO(build(&g));
  VG_GOTO(vg_graph_set_precision(g, precision));
  VG_GOTO(vg_trainer_new(&t, g, &o));
  VG_GOTO(batch(&x, &y, turn ? 3 : 2));
  VG_GOTO(vg_trainer_step(&loss, t, x, y, NULL));
  VG_GOTO(vg_trainer_step(&loss, t, x, y, NULL));
  VG_GOTO(vg_score_add(&score, g, x, y, NULL));
done:
  vg_tensor_release(x);
  vg_tensor_release(y);
  vg_trainer_free(t);
  vg_graph_free(g);
  return status;
}
static vg_status training_sgd(int turn) { return training_of(VG_SGD, VG_F32, turn); }
static vg_status training_adam_bf16(int turn) { return training_of(VG_ADAM, VG_BF16, turn); }

/* A step that fails leaves the parameters, and the same step then does what it would have done. */
static void a_failed_step_changes_nothing(void **state) {
  (void)state;
  for (int n = 1, done = 0; !done; n++) {
    vg_graph *g[2];
    vg_trainer *t[2];
    vg_tensor *x, *y;
    double loss[2];
    vg_trainer_opts o = { .optim = vg_optim_defaults(VG_SGD), .schedule = { .lr = 0.1, .factor = 0.1 }, .total_steps = 5 };
    ok(batch(&x, &y, 3));
    for (int k = 0; k < 2; k++) {
      ok(build(&g[k]));
      ok(vg_trainer_new(&t[k], g[k], &o));
    }
    vg_alloc_fail_at(n, 0);
    vg_status s = vg_trainer_step(&loss[0], t[0], x, y, NULL);
    vg_alloc_fail_at(0, 0);
    done = s == VG_OK;
    if (!done) {
      assert_int_equal(s, VG_ENOMEM);
      assert_memory_equal(vg_f32(g[0]->values), vg_f32(g[1]->values), vg_tensor_bytes(g[0]->values));
      ok(vg_trainer_step(&loss[0], t[0], x, y, NULL));
    }
    ok(vg_trainer_step(&loss[1], t[1], x, y, NULL));
    assert_true(loss[0] == loss[1]);
    assert_memory_equal(vg_f32(g[0]->values), vg_f32(g[1]->values), vg_tensor_bytes(g[0]->values));
    for (int k = 0; k < 2; k++) {
      vg_trainer_free(t[k]);
      vg_graph_free(g[k]);
    }
    vg_tensor_release(x);
    vg_tensor_release(y);
  }
}

/* A failed backward pass leaves no half-written gradient that the next one would add to. */
static void a_failed_backward_leaves_no_gradient(void **state) {
  (void)state;
  for (int n = 1, done = 0; !done; n++) {
    vg_tape *tape;
    vg_tensor *x, *w, *y = NULL, *z = NULL;
    ok(vg_tensor_zeros(&x, VG_F32, &VG_SHAPE(4, 6)));
    ok(vg_tensor_zeros(&w, VG_F32, &VG_SHAPE(3, 6)));
    vg_tensor_fill(x, 2);
    vg_tensor_fill(w, 1);
    x->wants_grad = w->wants_grad = true;
    ok(vg_tape_new(&tape));
    for (int k = 0; k < 2; k++) {
      vg_call c = { .n_in = 2, .in = { x, w } }, scale = { .n_in = 1 };
      vg_op_defaults(&c, vg_op_find("linear"));
      vg_op_defaults(&scale, vg_op_find("scale"));
      scale.arg[0] = 3;
      ok(vg_tape_apply(&y, tape, &c));
      scale.in[0] = y;
      ok(vg_tape_apply(&z, tape, &scale));
      vg_alloc_fail_at(k ? 0 : n, 0);
      vg_status s = vg_tape_backward(tape, &z, 1, NULL);
      vg_alloc_fail_at(0, 0);
      vg_tensor_release(y);
      vg_tensor_release(z);
      if (s == VG_OK) {
        done = k == 0;
        for (int64_t i = 0; i < 18; i++) assert_true(vg_f32(w->grad)[i] == 24);      /* 4 rows of 2, times 3 */
        for (int64_t i = 0; i < 24; i++) assert_true(vg_f32(x->grad)[i] == 9);       /* 3 outputs, times 3 */
        break;
      }
      assert_int_equal(s, VG_ENOMEM);
    }
    vg_tape_free(tape);
    vg_tensor_release(x);
    vg_tensor_release(w);
  }
}

/* --- data -------------------------------------------------------------------------------------------------------------------------------- */

static vg_status make_data(vg_dataset **out) {
  vg_tensor *images = NULL, *labels = NULL;
  vg_status status;
  VG_GOTO(vg_tensor_zeros(&images, VG_U8, &VG_SHAPE(40, 6, 6, 3)));
  VG_GOTO(vg_tensor_zeros(&labels, VG_I32, &VG_SHAPE(40)));
  for (int i = 0; i < 40; i++) vg_i32(labels)[i] = i % 4;
  VG_GOTO(vg_dataset_new(out, "made", images, labels, 4));
done:
  vg_tensor_release(images);
  vg_tensor_release(labels);
  return status;
}

static vg_status data_sets(int turn) {
  vg_dataset *d = NULL, *a = NULL, *b = NULL;
  double mean[3], std[3];
  vg_status status;
  (void)turn;
  VG_GOTO(make_data(&d));
  VG_GOTO(vg_dataset_set_class_names(d, (const char *const[]){ "a", "b", "c", "d" }));
  VG_GOTO(vg_dataset_split(&a, &b, d, 10, 3, true));
  VG_GOTO(vg_dataset_stats(mean, std, a));
done:
  vg_dataset_release(a);
  vg_dataset_release(b);
  vg_dataset_release(d);
  return status;
}

static vg_status loader_of(int ahead) {
  vg_dataset *d = NULL;
  vg_loader *l = NULL;
  vg_tensor *x = NULL, *y = NULL;
  vg_status status;
  vg_loader_opts o = { .batch = 16, .shuffle = true, .seed = 2, .flip = true, .crop = 2, .cutout = 2, .dtype = VG_BF16, .ahead = ahead };
  VG_GOTO(make_data(&d));
  VG_GOTO(vg_loader_new(&l, d, &o));
  for (int i = 0; i < 4; i++) {                    /* three batches and the end mark */
    VG_GOTO(vg_loader_next(l, &x, &y));
    vg_tensor_release(x);
    vg_tensor_release(y);
  }
done:
  vg_loader_free(l);
  vg_dataset_release(d);
  return status;
}
static vg_status loader(int turn) { return (void)turn, loader_of(0); }
static vg_status loader_with_thread(int turn) { return (void)turn, loader_of(2); }

/* --- files ------------------------------------------------------------------------------------------------------------------------------- */

static char folder[64] = "/tmp/vega_fail_XXXXXX";
static const char *path_of(const char *name) {
  static char path[128];
  snprintf(path, sizeof path, "%s/%s", folder, name);
  return path;
}

static vg_status bundle_of(vg_bundle *b) {
  vg_tensor *x = NULL, *y = NULL;
  vg_status status;
  VG_GOTO(vg_tensor_zeros(&x, VG_F32, &VG_SHAPE(3, 4)));
  VG_GOTO(vg_tensor_zeros(&y, VG_I32, &VG_SHAPE(5)));
  VG_GOTO(vg_bundle_add(b, "weight", x));
  VG_GOTO(vg_bundle_add(b, "labels", y));
  VG_GOTO(vg_bundle_set_meta(b, "note", "first"));
  VG_GOTO(vg_bundle_set_meta(b, "note", "second"));
done:
  vg_tensor_release(x);
  vg_tensor_release(y);
  return status;
}

static vg_status round_trip(int kind) {
  vg_bundle b = { 0 }, again = { 0 };
  vg_tensor *t = NULL;
  const char *path = path_of(kind == 0 ? "x.safetensors" : kind == 1 ? "x.npz" : "x.npy");
  vg_status status;
  VG_GOTO(bundle_of(&b));
  if (kind == 2) {
    VG_GOTO(vg_npy_write(path, vg_bundle_find(&b, "weight")));
    VG_GOTO(vg_npy_read(&t, path));
  } else {
    json_fails = true;
    VG_GOTO(kind ? vg_npz_write(path, &b, true) : vg_safetensors_write(path, &b));
    json_fails = false;
    VG_GOTO(kind ? vg_npz_read(&again, path) : vg_safetensors_read(&again, path));
    assert_int_equal(again.n, 2);
    assert_true(vg_shape_is_equal(&vg_bundle_find(&again, "weight")->shape, &VG_SHAPE(3, 4)));
    if (kind == 0) assert_string_equal(vg_bundle_meta(&again, "note"), "second");
  }
done:
  json_fails = false;
  vg_bundle_clear(&b);
  vg_bundle_clear(&again);
  vg_tensor_release(t);
  return status;
}
static vg_status safetensors(int turn) { return (void)turn, round_trip(0); }
static vg_status npz(int turn) { return (void)turn, round_trip(1); }
static vg_status npy(int turn) { return (void)turn, round_trip(2); }

static vg_status csv(int turn) {
  static const char TEXT[] = "name,acc\n\"a, b\",0.5\nc,0.25\n";
  vg_csv c = { 0 };
  vg_status status;
  (void)turn;
  VG_GOTO(vg_file_write(path_of("x.csv"), TEXT, sizeof TEXT - 1));
  VG_GOTO(vg_csv_read(&c, path_of("x.csv"), 1000));
done:
  vg_csv_clear(&c);
  return status;
}

static vg_status program(int turn) {
  char *output = NULL, *const argv[] = { (char *)"echo", (char *)"one line", NULL };
  size_t length;
  int code;
  (void)turn;
  VG_TRY(vg_process_run(&output, &length, &code, argv));
  assert_string_equal(output, "one line\n");
  vg_free(output);
  return VG_OK;
}

static vg_status checkpoints(int turn) {
  vg_graph *g = NULL;
  vg_trainer *t = NULL;
  vg_checkpoint_loaded loaded = { 0 };
  vg_status status;
  vg_trainer_opts o = { .optim = vg_optim_defaults(VG_ADAM), .total_steps = 50,
                        .schedule = { .kind = VG_SCHEDULE_STEP, .lr = 0.1, .factor = 0.1, .n_at = 3, .at = { 10, 20, 30 } } };
  (void)turn;
  VG_GOTO(build(&g));
  VG_GOTO(vg_trainer_new(&t, g, &o));
  t->step = 17;
  VG_GOTO(vg_checkpoint_save(path_of("x.ckpt.safetensors"), t, "{\"mine\":1}"));
  t->step = 0;
  VG_GOTO(vg_checkpoint_load(&loaded, t, path_of("x.ckpt.safetensors")));
  assert_int_equal(t->step, 17);
  assert_string_equal(loaded.user, "{\"mine\":1}");
  assert_false(loaded.fell_back);
done:
  vg_free(loaded.user);
  vg_trainer_free(t);
  vg_graph_free(g);
  return status;
}

/* No temporary file stays behind. */
static void folder_is_clean(void **state) {
  char *output, *const argv[] = { (char *)"ls", folder, NULL };
  size_t length;
  int code;
  (void)state;
  ok(vg_process_run(&output, &length, &code, argv));
  assert_string_equal(output, "x.ckpt.safetensors\nx.csv\nx.npy\nx.npz\nx.safetensors\n");
  vg_free(output);
}

static int open_folder(void **state) {
  (void)state;
  json_set_alloc_funcs(json_take, free);
  return mkdtemp(folder) ? 0 : -1;
}
static int remove_folder(void **state) {
  char *output, *const argv[] = { (char *)"rm", (char *)"-r", folder, NULL };
  size_t length;
  int code;
  (void)state;
  if (vg_process_run(&output, &length, &code, argv) != VG_OK) return -1;
  vg_free(output);
  return code;
}

int main(void) {
#define TASK(t) { .name = #t, .test_func = run_task, .initial_state = &(task){ t } }
  const struct CMUnitTest tests[] = {
    TASK(tensors), TASK(layers_f32), TASK(layers_bf16), TASK(graphs), TASK(population), TASK(population_folded), TASK(recalibration),
    TASK(training_sgd), TASK(training_adam_bf16), TASK(data_sets), TASK(loader), TASK(loader_with_thread), TASK(safetensors), TASK(npz), TASK(npy),
    TASK(csv), TASK(program), TASK(checkpoints), cmocka_unit_test(folder_is_clean),
    cmocka_unit_test(a_failed_step_changes_nothing), cmocka_unit_test(a_failed_backward_leaves_no_gradient),
  };
  return cmocka_run_group_tests(tests, open_folder, remove_folder);
}
