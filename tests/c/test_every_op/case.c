/* Reads the text of a case and fills its inputs. */
#include "case.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { GUARD = 7 };
static const double CANARY = 77;

/* --- reading a case ----------------------------------------------------------------------------------------------------------------- */

static void read_input(test_case *t, const char *token) {
  spec *s = &t->in[t->n_in++];
  const char *at = token;
  *s = (spec){ .absent = strcmp(token, "-") == 0 };
  if (s->absent) return;
  if (*at == '.') at++;
  else
    for (char *end; *at && *at != '@'; at = *end == ',' ? end + 1 : end) s->shape.dim[s->shape.rank++] = strtoll(at, &end, 10);
  for (at += *at == '@'; *at; at++) {
    if (strchr("+dpw", *at)) s->kind = *at;
    else if (strchr("fhb", *at)) s->fixed = *at;
    else if (*at == 'i') {
      char *end;
      s->kind = s->fixed = 'i';
      s->below = strtoll(at + 1, &end, 10);
      at = end - 1;
    } else fail_msg("%s: '%s': unknown mark '%c'", t->op->name, t->text, *at);
  }
}

static double word_index(const char *words, const char *word) {
  size_t n = strlen(word);
  int i = 0;
  for (const char *w = words; w; w = strchr(w, ' '), i++) {
    w += *w == ' ';
    if (strncmp(w, word, n) == 0 && (w[n] == ' ' || w[n] == 0)) return i;
  }
  return -1;
}

static void read_argument(test_case *t, char *token) {
  char *value = strchr(token, '=');
  if (!value) fail_msg("%s: '%s': '%s' is no input and no argument", t->op->name, t->text, token);
  *value++ = 0;
  for (int i = 0; i < vg_op_n_args(t->op); i++) {
    const vg_arg *a = &t->op->args[i];
    if (strcmp(a->name, token) != 0) continue;
    char *end;
    t->arg[i] = strtod(value, &end);
    if (a->words && *end) t->arg[i] = word_index(a->words, value);
    return;
  }
  fail_msg("%s: '%s': there is no argument '%s'", t->op->name, t->text, token);
}

test_case read_case(const vg_op *op, const char *text) {
  test_case t = { .text = text, .op = op };
  vg_call c = { 0 };
  char copy[512], *rest = copy;
  vg_op_defaults(&c, op);
  memcpy(t.arg, c.arg, sizeof t.arg);
  assert_true(strlen(text) < sizeof copy);
  strcpy(copy, text);
  for (char *token; (token = strsep(&rest, " ")) != NULL;) {
    if (strcmp(token, "train") == 0) t.train = true;
    else if (strcmp(token, "same") == 0) t.same = true;
    else if (strchr("-.0123456789", token[0])) read_input(&t, token);
    else read_argument(&t, token);
  }
  return t;
}

/* --- values --------------------------------------------------------------------------------------------------------------------------- */

static uint64_t scramble(int64_t i, int64_t stream) {
  uint64_t h = ((uint64_t)i + 1) * UINT64_C(0x9e3779b97f4a7c15) ^ ((uint64_t)stream + 1) * UINT64_C(0xc2b2ae3d27d4eb4f);
  h ^= h >> 29;
  h *= UINT64_C(0xbf58476d1ce4e5b9);
  return h ^ h >> 32;
}

double element(const spec *s, int64_t i, int64_t stream) {
  int64_t row = s->shape.rank ? s->shape.dim[s->shape.rank - 1] : 1;
  switch (s->kind) {
    case 'w': return (double)(2 * (int64_t)(scramble(i, stream) % 128) - 127) / 16;
    case '+': return (double)(2 * (scramble(i, stream) % 64) + 33) / 64;
    case 'd': return (double)(2 * (i * 101 % 256) - 255) / 64;
    case 'p': return (double)vg_bf16_to_f32(vg_f32_to_bf16((float)((1 + (double)(scramble(i, stream) % 3)) / (2 * (double)row))));
    case 'i': return (double)(scramble(i, stream) % (uint64_t)s->below);
    default: return (double)(2 * (int64_t)(scramble(i, stream) % 128) - 127) / 64;
  }
}

vg_dtype dtype_of(const spec *s, run_kind run) {
  if (s->fixed == 'i') return VG_I32;
  if (s->fixed == 'b') return VG_U8;
  if (s->fixed) return s->fixed == 'h' ? VG_BF16 : VG_F32;
  return run == F32 ? VG_F32 : VG_BF16;
}

vg_tensor *guarded(vg_dtype dtype, const vg_shape *shape) {
  vg_tensor *whole, *view;
  assert_int_equal(vg_tensor_new(&whole, dtype, &VG_SHAPE(vg_shape_count(shape) + 2 * GUARD)), VG_OK);
  vg_tensor_fill(whole, CANARY);
  assert_int_equal(vg_tensor_view(&view, whole, GUARD, shape), VG_OK);
  vg_tensor_release(whole);
  return view;
}

bool guards_hold(const vg_tensor *view) {
  vg_tensor whole = *view;
  int64_t n = vg_tensor_count(view);
  whole.offset = 0;
  for (int64_t i = 0; i < GUARD; i++)
    if (vg_tensor_get(&whole, i) != CANARY || vg_tensor_get(&whole, GUARD + n + i) != CANARY) return false;
  return true;
}

void build_model(model *m, const proof *p, const test_case *t) {
  *m = (model){ .op = t->op, .n_in = t->n_in, .train = t->train, .rng = vg_rng_at(5, 3) };
  memcpy(m->arg, t->arg, sizeof m->arg);
  for (int i = 0; i < t->n_in; i++) {
    const spec *s = &t->in[t->same ? 0 : i];
    if (s->absent) continue;
    value *in = &m->in[i];
    *in = (value){ .shape = s->shape, .n = vg_shape_count(&s->shape) };
    in->v = t->same && i > 0 ? m->in[0].v : calloc((size_t)in->n + 1, sizeof *in->v);
    if (s->kind == 'd' && in->n > 256) fail_msg("%s: '%s': at most 256 different values", t->op->name, t->text);
    for (int64_t k = 0; k < in->n; k++) in->v[k] = element(s, k, t->same ? 0 : i);
  }
  if (p->shape) p->shape(&m->out, m);
  else m->out = m->in[0].shape;
}

void free_model(model *m, const test_case *t) {
  for (int i = 0; i < m->n_in; i++)
    if (!t->same || i == 0) free(m->in[i].v);
}

vg_tensor *input_tensor(const test_case *t, const model *m, int i, run_kind run) {
  vg_tensor *x = guarded(dtype_of(&t->in[i], run), &m->in[i].shape);
  for (int64_t k = 0; k < m->in[i].n; k++) vg_tensor_set(x, k, m->in[i].v[k]);
  return x;
}

/* --- helpers of the formulas ------------------------------------------------------------------------------------------------------------ */

int64_t broadcast_place(const vg_shape *s, const vg_shape *y, int64_t i) {
  int64_t at = 0, step = 1;
  for (int k = y->rank - 1, j = s->rank - 1; j >= 0; k--, j--) {
    int64_t d = i % y->dim[k];
    i /= y->dim[k];
    if (s->dim[j] != 1) at += d * step;
    step *= s->dim[j];
  }
  return at;
}

extents extents_at(const vg_shape *s, int axis) {
  extents e = { 1, 1, 1 };
  for (int i = 0; i < s->rank; i++) *(axis < 0 || i == axis ? &e.length : i < axis ? &e.outer : &e.inner) *= s->dim[i];
  return e;
}

double named(const model *m, const char *name) {
  for (int i = 0; i < vg_op_n_args(m->op); i++)
    if (strcmp(m->op->args[i].name, name) == 0) return m->arg[i];
  fail_msg("%s has no argument '%s'", m->op->name, name);
  return 0;
}
