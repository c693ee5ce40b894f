/* A tree is built over lists of its samples, one sorted list a column; a split parts each list and keeps its order, so that nothing is sorted
 * below the root. */
#include "model/forest.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

enum { MAX_LEVELS = 63 };                  /* categories with more are split like numbers */
static const double MIN_VARIANCE = 1e-8;  /* of the variance of all targets */

/* In preorder: the left child follows its parent. Small, because predictions walk millions of them. */
typedef struct node {
  int32_t column;                          /* of a number; of a category as -2 - column; LEAF */
  uint32_t right;
  union {
    double threshold;                      /* numbers: left below it */
    uint64_t left_levels;                  /* categories: bit level + 1; bit 0 = inactive */
    double mean;                           /* leaves */
  };
} node;
enum { LEAF = -1 };

typedef struct tree {
  node *nodes;
  double *variance;                        /* of leaves */
  size_t n, capacity;
} tree;

struct vg_forest {
  const vg_columns *columns;
  vg_forest_opts opts;
  size_t next;                             /* the tree to grow next */
  double centre, variance;                 /* mean and variance of the targets of the last growth */
  tree trees[];
};

vg_status vg_forest_new(vg_forest **out, const vg_columns *columns, const vg_forest_opts *opts) {
  vg_forest *f;
  if (opts->trees < 1 || opts->min_leaf < 1 || !(opts->features > 0)) return vg_fail(VG_EARG, "forest: at least one tree, leaf sample and feature");
  VG_TRY(vg_alloc_zero((void **)&f, sizeof *f + opts->trees * sizeof *f->trees));
  f->columns = columns;
  f->opts = *opts;
  *out = f;
  return VG_OK;
}

void vg_forest_free(vg_forest *f) {
  if (!f) return;
  for (size_t t = 0; t < f->opts.trees; t++) vg_free(f->trees[t].nodes), vg_free(f->trees[t].variance);
  vg_free(f);
}

/* --- growing ---------------------------------------------------------------------------------------------------------------------- */

typedef struct split {
  double gain;                             /* sum^2 / n of both sides, less that of the node */
  size_t column;
  double threshold;                        /* the least value of the right side: a middle may round to the left one's largest */
  uint64_t left_levels;
} split;

typedef struct growth {
  const vg_forest *f;
  tree *t;
  const vg_rows *rows;
  const uint32_t *index;
  double *y, shift;                        /* targets less their mean, so that sums of squares keep their digits; and that mean */
  double *weight;                          /* [n] times a sample is in the bootstrap */
  uint32_t *list;                          /* [columns, n_list] samples by the order of the column */
  size_t n_list;
  uint32_t *part;                          /* scratch [n_list] */
  uint8_t *goes_left;                      /* [n] */
  int64_t *tried;                          /* [columns] in random order */
  vg_rng *rng;
} growth;

static double value_of(const growth *g, uint32_t sample, size_t column) { return vg_rows_at(g->rows, g->index[sample])[column]; }
static bool is_category(const vg_forest *f, size_t column) {
  const vg_column *c = &f->columns->at[column];
  return c->category && c->levels > 0 && c->levels <= MAX_LEVELS;
}
static unsigned bit_of(const vg_column *c, double u) { return u == VG_INACTIVE ? 0 : (unsigned)vg_column_level(c, u) + 1; }

typedef struct sums {
  double weight, sum, squares;
} sums;

static sums add_up(const growth *g, size_t from, size_t to) {
  sums s = { 0 };
  for (size_t i = from; i < to; i++) {
    uint32_t k = g->list[i];
    s.weight += g->weight[k];
    s.sum += g->weight[k] * g->y[k];
    s.squares += g->weight[k] * g->y[k] * g->y[k];
  }
  return s;
}

static double score(const growth *g, const sums *all, double weight, double sum) {
  double rest = all->weight - weight;
  if (weight < (double)g->f->opts.min_leaf || rest < (double)g->f->opts.min_leaf) return -HUGE_VAL;
  return sum * sum / weight + (all->sum - sum) * (all->sum - sum) / rest - all->sum * all->sum / all->weight;
}

static void try_number(const growth *g, split *best, size_t column, size_t from, size_t to, const sums *all) {
  const uint32_t *list = g->list + column * g->n_list;
  double weight = 0, sum = 0;
  for (size_t i = from; i + 1 < to; i++) {
    uint32_t k = list[i];
    weight += g->weight[k];
    sum += g->weight[k] * g->y[k];
    double here = value_of(g, k, column), next = value_of(g, list[i + 1], column);
    if (next <= here) continue;
    double gain = score(g, all, weight, sum);
    if (gain > best->gain) *best = (split){ gain, column, next, 0 };
  }
}

typedef struct level {
  double weight, sum;
  unsigned bit;
} level;

static int by_mean(const void *a, const void *b) {
  const level *x = a, *y = b;
  double mx = x->sum / x->weight, my = y->sum / y->weight;
  return mx < my ? -1 : mx > my ? 1 : (x->bit > y->bit) - (x->bit < y->bit);
}

static void try_category(const growth *g, split *best, size_t column, size_t from, size_t to, const sums *all) {
  level levels[MAX_LEVELS + 1] = { 0 };
  const uint32_t *list = g->list + column * g->n_list;
  size_t n = 0;
  for (size_t i = from; i < to; i++) {
    unsigned bit = bit_of(&g->f->columns->at[column], value_of(g, list[i], column));
    levels[bit].weight += g->weight[list[i]];
    levels[bit].sum += g->weight[list[i]] * g->y[list[i]];
    levels[bit].bit = bit;
  }
  uint64_t present = 0;
  for (unsigned b = 0; b <= MAX_LEVELS; b++) {
    if (!(levels[b].weight > 0)) continue;
    present |= UINT64_C(1) << b;
    levels[n++] = levels[b];
  }
  qsort(levels, n, sizeof *levels, by_mean);
  double weight = 0, sum = 0;
  uint64_t left = 0;
  for (size_t i = 0; i + 1 < n; i++) {
    weight += levels[i].weight;
    sum += levels[i].sum;
    left |= UINT64_C(1) << levels[i].bit;
    double gain = score(g, all, weight, sum);
    uint64_t unseen = weight > all->weight - weight ? ~present : 0;     /* a level that is not here goes with the larger side */
    if (gain > best->gain) *best = (split){ gain, column, 0, left | unseen };
  }
}

static bool find_split(growth *g, split *best, size_t from, size_t to, const sums *all) {
  size_t d = g->f->columns->n, tries = (size_t)ceil(g->f->opts.features * (double)d);
  *best = (split){ .gain = 1e-12 * (1 + fabs(all->squares)) };
  double least = best->gain;
  for (size_t j = 0; j < d; j++) g->tried[j] = (int64_t)j;
  if (tries < d) vg_rng_shuffle(g->rng, g->tried, d);
  for (size_t j = 0; j < d && j < tries; j++) {
    size_t column = (size_t)g->tried[j];
    if (is_category(g->f, column)) try_category(g, best, column, from, to, all);
    else try_number(g, best, column, from, to, all);
  }
  return best->gain > least;
}

static bool is_left(const vg_forest *f, const node *n, const double *row) {
  if (n->column >= 0) return row[n->column] < n->threshold;
  size_t column = (size_t)(-2 - n->column);
  return n->left_levels >> bit_of(&f->columns->at[column], row[column]) & 1;
}

/* Parts every list at [from, to) into left and right, each in order; returns where the right side begins. */
static size_t part_lists(growth *g, const node *n, size_t from, size_t to) {
  size_t middle = from;
  for (size_t i = from; i < to; i++) {
    uint32_t k = g->list[i];
    g->goes_left[k] = is_left(g->f, n, vg_rows_at(g->rows, g->index[k]));
  }
  for (size_t j = 0; j < g->f->columns->n; j++) {
    uint32_t *list = g->list + j * g->n_list;
    size_t left = from, right = 0;
    for (size_t i = from; i < to; i++) {
      uint32_t k = list[i];
      if (g->goes_left[k]) list[left++] = k;
      else g->part[right++] = k;
    }
    memcpy(list + left, g->part, right * sizeof *list);
    middle = left;
  }
  return middle;
}

/* A threshold anywhere in its gap: the middle would favour some places over others at every tree. */
static double place_threshold(growth *g, const split *s, size_t from, size_t to) {
  const uint32_t *list = g->list + s->column * g->n_list;
  size_t i = from;
  while (i + 1 < to && value_of(g, list[i + 1], s->column) < s->threshold) i++;
  double below = value_of(g, list[i], s->column), above = value_of(g, list[i + 1], s->column);
  double t = below + (above - below) * (0.05 + 0.9 * vg_rng_uniform(g->rng));
  return t > below && t <= above ? t : above;
}

static vg_status add_node(tree *t, size_t *at) {
  if (t->n == t->capacity) {
    size_t capacity = t->capacity ? 2 * t->capacity : 64;
    VG_TRY(vg_realloc((void **)&t->nodes, capacity * sizeof *t->nodes));
    VG_TRY(vg_realloc((void **)&t->variance, capacity * sizeof *t->variance));
    t->capacity = capacity;
  }
  *at = t->n++;
  return VG_OK;
}

static node inner_node(growth *g, const split *s, size_t from, size_t to) {
  if (is_category(g->f, s->column)) return (node){ .column = -2 - (int32_t)s->column, .left_levels = s->left_levels };
  return (node){ .column = (int32_t)s->column, .threshold = place_threshold(g, s, from, to) };
}

static vg_status grow_node(growth *g, size_t from, size_t to) {
  sums all = add_up(g, from, to);
  double mean = all.sum / all.weight;
  size_t at;
  split best;
  VG_TRY(add_node(g->t, &at));
  g->t->nodes[at] = (node){ .column = LEAF, .mean = mean + g->shift };
  g->t->variance[at] = fmax(0, all.squares / all.weight - mean * mean);
  if (all.weight < (double)g->f->opts.min_split || to - from < 2 || !find_split(g, &best, from, to, &all)) return VG_OK;
  node inner = inner_node(g, &best, from, to);
  size_t middle = part_lists(g, &inner, from, to);
  VG_TRY(grow_node(g, from, middle));
  inner.right = (uint32_t)g->t->n;
  g->t->nodes[at] = inner;
  return grow_node(g, middle, to);
}

/* How often each sample is drawn: n draws with replacement, or once each. */
static void draw_weights(growth *g, size_t n) {
  for (size_t i = 0; i < n; i++) g->weight[i] = g->f->opts.bootstrap ? 0 : 1;
  for (size_t i = 0; i < n && g->f->opts.bootstrap; i++) g->weight[vg_rng_below(g->rng, (int64_t)n)]++;
}

static void fill_lists(growth *g, const uint32_t *place, size_t n) {
  g->n_list = 0;
  for (size_t i = 0; i < n; i++) g->n_list += g->weight[i] > 0;
  for (size_t j = 0; j < g->f->columns->n; j++) {
    size_t filled = 0;
    const uint32_t *order = g->rows->order + j * g->rows->capacity;
    for (size_t r = 0; r < g->rows->n; r++) {
      uint32_t k = place[order[r]];
      if (k != UINT32_MAX && g->weight[k] > 0) g->list[j * g->n_list + filled++] = k;
    }
  }
}

/* g->y: the targets, then what is believed of pending rows, all less their mean. */
static vg_status set_targets(growth *g, vg_forest *f, const double *y, size_t n, size_t pending) {
  double sum = 0, squares = 0, sd;
  size_t all = n + pending;
  for (size_t i = 0; i < n; i++) g->y[i] = y[i];
  for (size_t i = n; i < all; i++) VG_TRY(vg_forest_predict(f, &g->y[i], &sd, vg_rows_at(g->rows, g->index[i]), 1));
  for (size_t i = 0; i < all; i++) sum += g->y[i];
  g->shift = sum / (double)all;
  for (size_t i = 0; i < all; i++) g->y[i] -= g->shift, squares += g->y[i] * g->y[i];
  f->centre = g->shift;
  f->variance = squares / (double)all;
  return VG_OK;
}

static vg_status grow_trees(growth *g, vg_forest *f, size_t count, const uint32_t *place, size_t n) {
  for (size_t k = 0; k < count; k++) {
    g->t = &f->trees[f->next];
    g->t->n = 0;
    draw_weights(g, n);
    fill_lists(g, place, n);
    VG_TRY(grow_node(g, 0, g->n_list));
    f->next = (f->next + 1) % f->opts.trees;
  }
  return VG_OK;
}

vg_status vg_forest_grow(vg_forest *f, size_t count, const vg_rows *rows, const uint32_t *index, size_t n, size_t pending, const double *y,
                         vg_rng *rng) {
  size_t d = f->columns->n, all = n + pending;
  growth g = { .f = f, .rows = rows, .index = index, .rng = rng };
  uint32_t *place = NULL;
  vg_status status = VG_OK;
  if (n == 0) return vg_fail(VG_EARG, "forest: no samples");
  if (f->trees[f->opts.trees - 1].n == 0) pending = 0, all = n;
  VG_GOTO(vg_alloc((void **)&g.y, all * sizeof *g.y));
  VG_GOTO(vg_alloc((void **)&g.weight, all * sizeof *g.weight));
  VG_GOTO(vg_alloc((void **)&g.list, (all * d + 1) * sizeof *g.list));
  VG_GOTO(vg_alloc((void **)&g.part, all * sizeof *g.part));
  VG_GOTO(vg_alloc((void **)&g.goes_left, all));
  VG_GOTO(vg_alloc((void **)&g.tried, (d + 1) * sizeof *g.tried));
  VG_GOTO(vg_alloc((void **)&place, (rows->n + 1) * sizeof *place));
  memset(place, 0xff, rows->n * sizeof *place);
  for (size_t i = 0; i < all; i++) place[index[i]] = (uint32_t)i;
  VG_GOTO(set_targets(&g, f, y, n, pending));
  VG_GOTO(grow_trees(&g, f, count, place, all));
done:
  vg_free(g.y);
  vg_free(g.weight);
  vg_free(g.list);
  vg_free(g.part);
  vg_free(g.goes_left);
  vg_free(g.tried);
  vg_free(place);
  return status;
}

/* --- predicting ------------------------------------------------------------------------------------------------------------------- */

static size_t leaf_of(const vg_forest *f, const tree *t, const double *point) {
  size_t at = 0;
  while (t->nodes[at].column != LEAF) at = is_left(f, &t->nodes[at], point) ? at + 1 : t->nodes[at].right;
  return at;
}

vg_status vg_forest_predict(const vg_forest *f, double *mean, double *sd, const double *points, size_t m) {
  double trees = (double)f->opts.trees, least = MIN_VARIANCE * f->variance + 1e-300;
  memset(mean, 0, m * sizeof *mean);
  memset(sd, 0, m * sizeof *sd);
  for (size_t k = 0; k < f->opts.trees; k++) {
    const tree *t = &f->trees[k];
    if (t->n == 0) return vg_fail(VG_EARG, "forest: tree %zu has not been grown", k + 1);
    for (size_t i = 0; i < m; i++) {
      size_t leaf = leaf_of(f, t, points + i * f->columns->n);
      double here = t->nodes[leaf].mean - f->centre;     /* centred: squares of large values would lose the variance */
      mean[i] += here;
      sd[i] += here * here + t->variance[leaf];
    }
  }
  for (size_t i = 0; i < m; i++) {
    double centred = mean[i] / trees;
    mean[i] = centred + f->centre;
    sd[i] = sqrt(fmax(least, sd[i] / trees - centred * centred));
  }
  return VG_OK;
}
