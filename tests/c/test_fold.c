/* Folding of batch norms where a graph is not a plain chain: the folded graph computes what the graph does, or keeps the norm. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "graph/graph.h"
#include "kernels/activation.h"

static void ok(vg_status s) {
  if (s != VG_OK) fail_msg("%s", vg_message());
}

static int op(vg_graph *g, const char *name, const char *kind, int n_in, const int *in, int arg, double value) {
  vg_call c = { 0 };
  int id;
  vg_op_defaults(&c, vg_op_find(kind));
  if (arg >= 0) c.arg[arg] = value;
  ok(vg_graph_op(&id, g, name, c.op, in, n_in, c.arg));
  return id;
}

static int param(vg_graph *g, const char *name, vg_shape shape) {
  int id;
  ok(vg_graph_param(&id, g, name, &shape, VG_INIT_UNIFORM, 4, true));
  return id;
}

/* conv 1x1 (4 to 4 channels) and batch norm with statistics of its own; bias -1: none. */
static int conv_norm(vg_graph *g, int x, int w, int bias, int act, const char *name) {
  char text[64];
  int mean, var;
  strcpy(text, name);
  int conv = op(g, strcat(text, ".conv"), "conv2d", 3, (int[]){ x, w, bias }, -1, 0);
  ok(vg_graph_buffer(&mean, g, strcat(strcpy(text, name), ".mean"), &VG_SHAPE(4), 0.3 + 0.1 * x));
  ok(vg_graph_buffer(&var, g, strcat(strcpy(text, name), ".var"), &VG_SHAPE(4), 2.5 + x));
  return op(g, strcat(strcpy(text, name), ".bn"), "batch_norm", 3, (int[]){ conv, mean, var }, 2, act);
}

static int norms_in(const vg_graph *g) {
  int n = 0;
  for (int i = 0; i < g->n; i++) n += g->nodes[i].kind == VG_NODE_OP && strcmp(g->nodes[i].op->name, "batch_norm") == 0;
  return n;
}

/* Ends the graph, folds it and compares the outputs; takes both away. */
static void check(vg_graph *g, int output, int norms_left) {
  vg_graph *f;
  vg_tensor *x, *a, *b;
  vg_rng rng = vg_rng_at(3, 4);
  ok(vg_graph_set_output(g, output));
  ok(vg_graph_materialise(g, 5));
  ok(vg_graph_fold(&f, g));
  assert_int_equal(norms_in(f), norms_left);
  ok(vg_tensor_new(&x, VG_F32, &VG_SHAPE(2, 3, 3, 4)));
  vg_rng_fill_normal(&rng, vg_f32(x), (size_t)vg_tensor_count(x), 0, 1);
  ok(vg_graph_run(&a, g, x, NULL));
  ok(vg_graph_run(&b, f, x, NULL));
  for (int64_t i = 0; i < vg_tensor_count(a); i++)
    if (!(fabsf(vg_f32(a)[i] - vg_f32(b)[i]) < 1e-5f))
      fail_msg("element %lld: %g, folded %g", (long long)i, (double)vg_f32(a)[i], (double)vg_f32(b)[i]);
  vg_tensor_release(x);
  vg_tensor_release(a);
  vg_tensor_release(b);
  vg_graph_free(f);
  vg_graph_free(g);
}

static vg_graph *fresh(void) {
  vg_graph *g;
  ok(vg_graph_new(&g, &VG_SHAPE(3, 3, 4)));
  return g;
}

/* A weight that two layers share cannot take the scale of either norm. */
static void shared_weight(void **state) {
  (void)state;
  vg_graph *g = fresh();
  int w = param(g, "w", VG_SHAPE(4, 1, 1, 4)), a = conv_norm(g, 0, w, -1, VG_ACT_RELU, "a"), b = conv_norm(g, a, w, -1, VG_ACT_NONE, "b");
  check(g, b, 2);
}

static void shared_bias(void **state) {
  (void)state;
  vg_graph *g = fresh();
  int w = param(g, "w", VG_SHAPE(4, 1, 1, 4)), v = param(g, "v", VG_SHAPE(4, 1, 1, 4)), bias = param(g, "bias", VG_SHAPE(4));
  int a = conv_norm(g, 0, w, bias, VG_ACT_NONE, "a"), b = conv_norm(g, a, v, bias, VG_ACT_NONE, "b");
  check(g, b, 2);
}

/* A weight that is computed (masked, scaled, transformed) is no number to change. */
static void computed_weight(void **state) {
  (void)state;
  vg_graph *g = fresh();
  int w = param(g, "w", VG_SHAPE(4, 1, 1, 4)), squared = op(g, "squared", "square", 1, &w, -1, 0);
  check(g, conv_norm(g, 0, squared, -1, VG_ACT_NONE, "a"), 1);
}

/* Every activation that a norm can fuse has an operator to take its place. */
static void every_activation(void **state) {
  (void)state;
  for (int act = VG_ACT_NONE; act <= VG_ACT_TANH; act++) {
    vg_graph *g = fresh();
    int w = param(g, "w", VG_SHAPE(4, 1, 1, 4)), bias = param(g, "bias", VG_SHAPE(4));
    check(g, conv_norm(g, 0, w, bias, act, "a"), 0);
  }
}

/* A convolution that something else reads, too, keeps its norm. */
static void read_twice(void **state) {
  (void)state;
  vg_graph *g = fresh();
  int w = param(g, "w", VG_SHAPE(4, 1, 1, 4)), bn = conv_norm(g, 0, w, -1, VG_ACT_RELU, "a");
  check(g, op(g, "sum", "add", 2, (int[]){ bn, g->nodes[bn].in[0] }, -1, 0), 1);
}

/* The auxiliary output's head goes, what it reads is folded as if it had never been there; dropout is nothing. */
static void auxiliary(void **state) {
  (void)state;
  vg_graph *g = fresh(), *f;
  int w = param(g, "w", VG_SHAPE(4, 1, 1, 4)), v = param(g, "v", VG_SHAPE(4, 1, 1, 4)), bn = conv_norm(g, 0, w, -1, VG_ACT_RELU, "a");
  int conv = g->nodes[bn].in[0], dropped = op(g, "dropped", "dropout", 1, &bn, 0, 0.5);
  int second = conv_norm(g, conv, v, -1, VG_ACT_NONE, "b");
  ok(vg_graph_set_output(g, dropped));
  ok(vg_graph_set_auxiliary(g, second, 0.4));
  ok(vg_graph_materialise(g, 1));
  ok(vg_graph_fold(&f, g));
  assert_int_equal(f->auxiliary, -1);
  assert_int_equal(norms_in(f), 0);
  for (int i = 0; i < f->n; i++) assert_true(strcmp(f->nodes[i].name, "dropped") != 0 && strcmp(f->nodes[i].name, "v") != 0);
  vg_graph_free(f);
  vg_graph_free(g);
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(shared_weight), cmocka_unit_test(shared_bias), cmocka_unit_test(computed_weight), cmocka_unit_test(every_activation),
    cmocka_unit_test(read_twice), cmocka_unit_test(auxiliary),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
