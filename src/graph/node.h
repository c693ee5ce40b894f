/* Inside the graph's folder: adding nodes, and what a run with given slots reaches. */
#ifndef VG_GRAPH_NODE_H
#define VG_GRAPH_NODE_H

#include "graph/graph.h"

bool vg__graph_has_name(const vg_graph *g, const char *name);
/* Opens node g->n with a copy of `name`; the caller fills it and closes it, or frees the name. */
VG_CHECKED vg_status vg__graph_open_node(vg_node **out, vg_graph *g, const char *name, vg_node_kind kind);
void vg__graph_close_node(int *id, vg_graph *g);
VG_CHECKED vg_status vg__graph_set_inputs(vg_node *d, const vg_graph *g, const char *who, const int *in, int n_in);

/* The inputs that node `i` reads under `slots`: in[*begin .. *end - 1]. */
void vg__graph_active(int *begin, int *end, const vg_node *d, const double *slots);
/* last_use[i], [g->n] = the last node that reads i under `slots` (g->n for the output), -1 when nothing does: i is not computed then. What the
 * auxiliary output reads counts where `auxiliary` is set. VG_EARG when a slot names no candidate. */
VG_CHECKED vg_status vg__graph_reach(int *last_use, const vg_graph *g, const double *slots, bool auxiliary);
/* The arguments of an operator under `slots`. */
void vg__graph_args(double arg[VG_MAX_ARGS], const vg_node *d, const double *slots);
/* The place of an operator's argument, -1 where it has none of that name. */
int vg__find_arg(const vg_op *op, const char *name);
/* The fixed argument `name` of an operator's node, 0 where it has none of that name. */
double vg__graph_arg(const vg_node *d, const char *name);
bool vg__graph_is_op(const vg_node *d, const char *name);
/* What the prefix node computes under `slots`: a view of its buffer. VG_EARG when the slot is out of range. */
VG_CHECKED vg_status vg__graph_prefix(vg_tensor **out, const vg_graph *g, const vg_node *d, const double *slots);
/* Whether a run takes this batch: VG_ESHAPE. */
VG_CHECKED vg_status vg__graph_check_input(const vg_graph *g, const vg_tensor *x);

/* A batch norm with fixed statistics; gamma and beta [C] or NULL. */
typedef struct vg__norm {
  const vg_tensor *mean, *var, *gamma, *beta;
  double eps;
} vg__norm;
/* Changes the weight [C, ...] and bias [C] of a layer, f32, to those of the layer with the norm behind it. */
void vg__fold_norm(vg_tensor *w, vg_tensor *b, const vg__norm *n);

#endif
