/* The graph driver, the gradient check over the operator table, and folding. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "graph/graph.h"
#include "cost/count.h"

static vg_tensor *randn(const vg_shape *shape, uint64_t stream, float mean, float sd) {
  vg_tensor *t = NULL;
  assert_int_equal(vg_tensor_new(&t, VG_F32, shape), VG_OK);
  vg_rng r = vg_rng_at(7, stream);
  vg_rng_fill_normal(&r, vg_f32(t), (size_t)vg_tensor_count(t), mean, sd);
  return t;
}

/* x -> conv 3x3 (4) -> batch norm + relu -> linear over the flattened last axis, with statistics that are not the first ones. */
static vg_graph *network(int act) {
  vg_graph *g = NULL;
  int w, conv, mean, var, gamma, beta, bn, lw, out;
  double conv_args[VG_MAX_ARGS], bn_args[VG_MAX_ARGS];
  vg_call c = { 0 };
  assert_int_equal(vg_graph_new(&g, &VG_SHAPE(5, 5, 3)), VG_OK);
  assert_int_equal(vg_graph_param(&w, g, "conv.weight", &VG_SHAPE(4, 3, 3, 3), VG_INIT_KAIMING_NORMAL, 36, true), VG_OK);
  vg_op_defaults(&c, vg_op_find("conv2d"));
  memcpy(conv_args, c.arg, sizeof conv_args);
  conv_args[1] = 1;
  assert_int_equal(vg_graph_op(&conv, g, "conv", c.op, (int[]){ 0, w }, 2, conv_args), VG_OK);
  assert_int_equal(vg_graph_buffer(&mean, g, "mean", &VG_SHAPE(4), 0.3), VG_OK);
  assert_int_equal(vg_graph_buffer(&var, g, "var", &VG_SHAPE(4), 2.5), VG_OK);
  assert_int_equal(vg_graph_param(&gamma, g, "gamma", &VG_SHAPE(4), VG_INIT_ONES, 1, false), VG_OK);
  assert_int_equal(vg_graph_param(&beta, g, "beta", &VG_SHAPE(4), VG_INIT_UNIFORM, 4, false), VG_OK);
  vg_op_defaults(&c, vg_op_find("batch_norm"));
  memcpy(bn_args, c.arg, sizeof bn_args);
  bn_args[2] = act;
  assert_int_equal(vg_graph_op(&bn, g, "bn", c.op, (int[]){ conv, mean, var, gamma, beta }, 5, bn_args), VG_OK);
  assert_int_equal(vg_graph_param(&lw, g, "linear.weight", &VG_SHAPE(7, 4), VG_INIT_UNIFORM, 4, true), VG_OK);
  assert_int_equal(vg_graph_op(&out, g, "linear", vg_op_find("linear"), (int[]){ bn, lw }, 2, NULL), VG_OK);
  assert_int_equal(vg_graph_set_output(g, out), VG_OK);
  assert_int_equal(vg_graph_materialise(g, 3), VG_OK);
  return g;
}

enum { RELU = 1, SWISH = 6 };
static vg_graph *small(void) { return network(RELU); }

static void folding_keeps_the_function(void **state) {
  (void)state;
  vg_graph *g = small(), *f = NULL;
  vg_tensor *x = randn(&VG_SHAPE(2, 5, 5, 3), 1, 0, 1), *a = NULL, *b = NULL;
  assert_int_equal(vg_graph_fold(&f, g), VG_OK);
  for (int i = 0; i < f->n; i++) assert_true(f->nodes[i].kind != VG_NODE_OP || strcmp(f->nodes[i].op->name, "batch_norm") != 0);
  assert_int_equal(vg_graph_run(&a, g, x, NULL), VG_OK);
  assert_int_equal(vg_graph_run(&b, f, x, NULL), VG_OK);
  for (int64_t i = 0; i < vg_tensor_count(a); i++) assert_true(fabsf(vg_f32(a)[i] - vg_f32(b)[i]) < 1e-5f);
  vg_tensor_release(a);
  vg_tensor_release(b);
  vg_tensor_release(x);
  vg_graph_free(f);
  vg_graph_free(g);
}

static void the_same_seed_gives_the_same_network(void **state) {
  (void)state;
  vg_graph *g = small(), *h = small();
  assert_memory_equal(vg_f32(g->values), vg_f32(h->values), vg_tensor_bytes(g->values));
  assert_int_equal(vg_graph_materialise(h, 4), VG_OK);
  assert_memory_not_equal(vg_f32(g->values), vg_f32(h->values), vg_tensor_bytes(g->values));
  vg_graph_free(g);
  vg_graph_free(h);
}

/* Gradients of a step on the arena, and the most memory it took. Two norms in a row: the second's input is itself replayed. */
static size_t step_gradients(float *grads, bool replay) {
  vg_graph *g = network(RELU);
  vg_tensor *x = randn(&VG_SHAPE(64, 5, 5, 3), 1, 0, 1), *y = NULL, *z = NULL, *total = NULL;
  vg_tape *t = NULL;
  vg_call norm = { .n_in = 3, .train = true }, sum = { .n_in = 1 };
  assert_int_equal(vg_graph_prepare_training(g), VG_OK);
  assert_int_equal(vg_tape_new(&t), VG_OK);
  vg_tape_set_replay(t, replay);
  vg_alloc_reset_peak();
  size_t before = vg_alloc_get_stats().live_bytes;
  assert_int_equal(vg_graph_run(&y, g, x, &(vg_run_opts){ .tape = t, .train = true }), VG_OK);
  for (int twice = 0; twice < 2; twice++) {
    vg_op_defaults(&norm, vg_op_find("batch_norm"));
    norm.in[0] = y;
    assert_int_equal(vg_tensor_zeros(&norm.in[1], VG_F32, &VG_SHAPE(7)), VG_OK);
    assert_int_equal(vg_tensor_zeros(&norm.in[2], VG_F32, &VG_SHAPE(7)), VG_OK);
    assert_int_equal(vg_tape_apply(&z, t, &norm), VG_OK);
    for (int i = 0; i < 3; i++) vg_tensor_release(norm.in[i]);
    y = z;
  }
  vg_op_defaults(&sum, vg_op_find("square"));
  sum.in[0] = y;
  assert_int_equal(vg_tape_apply(&z, t, &sum), VG_OK);
  vg_tensor_release(y);
  vg_op_defaults(&sum, vg_op_find("sum"));
  sum.in[0] = z;
  assert_int_equal(vg_tape_apply(&total, t, &sum), VG_OK);
  vg_tensor_release(z);
  assert_int_equal(vg_tape_backward(t, &total, 1, NULL), VG_OK);
  memcpy(grads, vg_f32(g->grads), vg_tensor_bytes(g->grads));
  size_t peak = vg_alloc_get_stats().peak_bytes - before;
  vg_tensor_release(total);
  vg_tensor_release(x);
  vg_tape_free(t);
  vg_graph_free(g);
  return peak;
}

static void replayed_outputs_give_the_same_gradients_in_less_memory(void **state) {
  (void)state;
  float kept[4 * 27 + 8 + 28], replayed[4 * 27 + 8 + 28];
  size_t more = step_gradients(kept, false), less = step_gradients(replayed, true);
  assert_memory_equal(kept, replayed, sizeof kept);
  assert_true(less < more);
}

static void counts_are_exact(void **state) {
  (void)state;
  vg_graph *g = small();
  vg_counts c;
  assert_int_equal(vg_count(&c, g, NULL), VG_OK);
  assert_int_equal(c.params, 4 * 27 + 8 + 28);
  assert_int_equal(c.macs_spatial, 25 * 4 * 27);
  assert_int_equal(c.macs_linear, 25 * 7 * 4);
  assert_int_equal(c.macs, c.macs_spatial + c.macs_linear);
  assert_int_equal(c.norm_elements, 100);
  assert_int_equal(c.norm_params, 8);
  vg_graph_free(g);
}

/* Gradients of a whole network: the parameter of each kind moved a little, against the tape. */
static void gradients_of_a_network(void **state) {
  (void)state;
  vg_graph *g = network(SWISH);             /* smooth: differences across a kink say nothing */
  vg_tape *tape = NULL;
  vg_tensor *x = randn(&VG_SHAPE(2, 5, 5, 3), 2, 0, 1), *y = NULL, *seed = randn(&VG_SHAPE(2, 5, 5, 7), 3, 0, 1);
  assert_int_equal(vg_tape_new(&tape), VG_OK);
  assert_int_equal(vg_graph_prepare_training(g), VG_OK);
  assert_int_equal(vg_graph_run(&y, g, x, &(vg_run_opts){ .tape = tape, .train = true }), VG_OK);
  assert_int_equal(vg_tape_backward(tape, &y, 1, &(vg_backward_opts){ .seeds = &seed }), VG_OK);
  vg_tensor_release(y);
  for (int64_t i = 0; i < g->n_params; i += 3) {
    double sum[2] = { 0 };
    float keep = vg_f32(g->values)[i], step = 1e-2f;
    for (int side = 0; side < 2; side++) {
      vg_f32(g->values)[i] = keep + (side ? step : -step);
      assert_int_equal(vg_graph_run(&y, g, x, &(vg_run_opts){ .train = true }), VG_OK);
      for (int64_t k = 0; k < vg_tensor_count(y); k++) sum[side] += (double)vg_f32(y)[k] * (double)vg_f32(seed)[k];
      vg_tensor_release(y);
    }
    vg_f32(g->values)[i] = keep;
    double numeric = (sum[1] - sum[0]) / (2 * (double)step), got = vg_f32(g->grads)[i];
    if (fabs(got - numeric) > 0.05 + 0.05 * fabs(numeric)) fail_msg("parameter %lld: %g against %g", (long long)i, got, numeric);
  }
  vg_tensor_release(x);
  vg_tensor_release(seed);
  vg_tape_free(tape);
  vg_graph_free(g);
}

/* Extents that would wrap around are refused where the graph is built, not where it runs. */
static void shapes_do_not_wrap_around(void **state) {
  (void)state;
  vg_graph *g;
  vg_call c = { 0 };
  int at = 0, made = 0;
  vg_status s = VG_OK;
  assert_int_equal(vg_graph_new(&g, &VG_SHAPE(2, 2, 3)), VG_OK);
  vg_op_defaults(&c, vg_op_find("upsample"));
  c.arg[0] = 64;
  for (char name[16]; made < 20 && s == VG_OK; made++) {
    snprintf(name, sizeof name, "up%d", made);
    s = vg_graph_op(&at, g, name, c.op, &at, 1, c.arg);
  }
  assert_int_equal(s, VG_EARG);
  assert_string_equal(vg_message(), "tensor: shape is too large");
  assert_true(made < 6);
  assert_int_equal(vg_graph_param(&at, g, "w", &VG_SHAPE(INT64_MAX, 2), VG_INIT_ZEROS, 1, true), VG_EARG);
  assert_int_equal(vg_graph_buffer(&at, g, "b", &VG_SHAPE(-1), 0), VG_EARG);
  vg_graph_free(g);
}

static void refusals(void **state) {
  (void)state;
  vg_graph *g = small();
  int id;
  vg_tensor *x = randn(&VG_SHAPE(2, 5, 4, 3), 1, 0, 1), *y = NULL;
  assert_int_equal(vg_graph_run(&y, g, x, NULL), VG_ESHAPE);
  assert_non_null(strstr(vg_message(), "[2, 5, 4, 3]"));
  assert_int_equal(vg_graph_buffer(&id, g, "conv", &VG_SHAPE(1), 0), VG_EARG);
  assert_non_null(strstr(vg_message(), "'conv' is taken"));
  vg_tensor_release(x);
  vg_graph_free(g);
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(folding_keeps_the_function), cmocka_unit_test(the_same_seed_gives_the_same_network),
    cmocka_unit_test(replayed_outputs_give_the_same_gradients_in_less_memory), cmocka_unit_test(counts_are_exact),
    cmocka_unit_test(gradients_of_a_network),     cmocka_unit_test(refusals),
    cmocka_unit_test(shapes_do_not_wrap_around),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
