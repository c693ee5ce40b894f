/* Every operator of the table against a formula in double: one test an operator. An operator without a proof fails here.
 * The proofs are in test_every_op/, a family a file; proof.h says how to write one. */
#include "test_every_op/proof.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static const proof *const FAMILIES[] = { ELTWISE_PROOFS, REDUCE_PROOFS, LAYOUT_PROOFS, CONV_PROOFS, POOL_PROOFS, NORM_PROOFS, LOSS_PROOFS };

static const proof *find(const char *op) {
  for (size_t f = 0; f < sizeof FAMILIES / sizeof *FAMILIES; f++)
    for (const proof *p = FAMILIES[f]; p->op; p++)
      if (strcmp(p->op, op) == 0) return p;
  return NULL;
}

static void test_operator(void **state) {
  const vg_op *op = *state;
  const proof *p = find(op->name);
  if (!p) fail_msg("operator '%s' has no cases: add them to a file of tests/c/test_every_op", op->name);
  prove(p);
}

/* A misspelt operator would be a proof of nothing. */
static void test_names(void **state) {
  (void)state;
  for (size_t f = 0; f < sizeof FAMILIES / sizeof *FAMILIES; f++)
    for (const proof *p = FAMILIES[f]; p->op; p++)
      if (!vg_op_find(p->op)) fail_msg("there is no operator '%s'", p->op);
}

int main(void) {
  enum { MOST = 512 };
  static struct CMUnitTest tests[MOST];
  size_t n = 0;
  tests[n++] = (struct CMUnitTest)cmocka_unit_test(test_names);
  for (const vg_op *const *op = vg_op_table; *op && n < MOST; op++)
    tests[n++] = (struct CMUnitTest){ .name = (*op)->name, .test_func = test_operator, .initial_state = (void *)*op };
  return _cmocka_run_group_tests("every operator", tests, n, NULL, NULL);
}
