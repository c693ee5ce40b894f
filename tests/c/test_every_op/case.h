/* A case as read from its text, and the tensors it runs on. */
#ifndef VG_TEST_CASE_H
#define VG_TEST_CASE_H

#include "proof.h"

typedef enum run_kind { F32, BF16_LEAF, BF16_VALUE, N_RUNS } run_kind;

/* One input of a case. */
typedef struct spec {
  bool absent;
  vg_shape shape;
  char kind;                 /* 0, '+', 'd', 'p', 'w', 'i' */
  char fixed;                /* 'f', 'h', 'i', 'b' or 0: by the run */
  int64_t below;             /* of 'i' */
} spec;

typedef struct test_case {
  const char *text;
  const vg_op *op;
  int n_in;
  spec in[VG_MAX_IN];
  double arg[VG_MAX_ARGS];
  bool train, same;
} test_case;

test_case read_case(const vg_op *op, const char *text);
/* Element i of an input, or of anything else that should look random: a function of the place and the stream. */
double element(const spec *s, int64_t i, int64_t stream);
vg_dtype dtype_of(const spec *s, run_kind run);
void build_model(model *m, const proof *p, const test_case *t);
void free_model(model *m, const test_case *t);

/* A view into a larger tensor, at an odd place, whose other elements are canaries; and whether they still are. */
vg_tensor *guarded(vg_dtype dtype, const vg_shape *shape);
bool guards_hold(const vg_tensor *view);
vg_tensor *input_tensor(const test_case *t, const model *m, int i, run_kind run);

#endif
