/* A network, described once and walked many times: run, trained, counted, folded, saved, drawn.
 *
 * Nodes are numbered in the order they were added, which is an order of execution. A node is the input, a parameter, a buffer (running
 * statistics) or an operator applied to earlier nodes. Shapes are kept for batch 1; axis 0 of the input and of all it reaches is the batch.
 * Parameters are slices of one f32 arena, their gradients of another, bf16 copies of a third:
 *
 *     values  | conv1.weight | bn1.gamma | bn1.beta | conv2.weight | ...
 *     grads   |      same offsets                                   ...
 *     shadow  |      same offsets, bf16 (only when precision is bf16)...
 *
 * Unsettled choices (the supernet) become a node kind of their own beside these. */
#ifndef VG_GRAPH_GRAPH_H
#define VG_GRAPH_GRAPH_H

#include "tape/tape.h"

typedef enum vg_node_kind { VG_NODE_INPUT, VG_NODE_PARAM, VG_NODE_BUFFER, VG_NODE_OP } vg_node_kind;

typedef enum vg_init {
  VG_INIT_ZEROS,
  VG_INIT_ONES,
  VG_INIT_KAIMING_NORMAL,   /* sd sqrt(2 / fan): He et al. 2015 */
  VG_INIT_UNIFORM           /* +- 1 / sqrt(fan): PyTorch's default of linear layers and biases */
} vg_init;

typedef struct vg_node {
  vg_node_kind kind;
  char *name;                      /* unique, "conv3.weight"; owned */
  vg_shape shape;                  /* for batch 1 */
  vg_dtype dtype;
  /* parameters and buffers */
  vg_init init;
  int64_t fan;                     /* for init */
  double fill;                     /* first value of a buffer */
  bool decays;                     /* weight decay applies (not to norms and biases) */
  int64_t offset;                  /* elements into the arena */
  vg_tensor *tensor;               /* parameter (a view into the arena) or buffer; owned; NULL before vg_graph_materialise */
  /* operators */
  const vg_op *op;
  int n_in;
  int in[VG_MAX_IN];               /* earlier nodes; -1 = absent optional input */
  double arg[VG_MAX_ARGS];
  bool is_live;                    /* the output depends on it; a run skips the rest */
  int last_use;                    /* the last node that reads this one: a run drops its value after that */
} vg_node;

typedef struct vg_graph {
  vg_node *nodes;
  int n, room;
  int *by_name;                    /* hash table of 2 * room places: 0 = empty, else a node + 1; owned */
  int output;                      /* node, -1 until set */
  vg_dtype precision;              /* VG_F32 or VG_BF16: of activations */
  int64_t n_params;                /* elements in the arena */
  vg_tensor *values, *grads, *shadow;   /* arenas, owned; grads from the first training on, shadow while precision is bf16 */
} vg_graph;

/* `input` is the shape of one sample: [H, W, C] or [features]. */
VG_CHECKED vg_status vg_graph_new(vg_graph **out, const vg_shape *input);
void vg_graph_free(vg_graph *g);                                   /* NULL is fine */
/* Each sets *id to the new node. Names must be new. VG_EARG / VG_ESHAPE carry the op's own message. */
VG_CHECKED vg_status vg_graph_param(int *id, vg_graph *g, const char *name, const vg_shape *shape, vg_init init, int64_t fan, bool decays);
VG_CHECKED vg_status vg_graph_buffer(int *id, vg_graph *g, const char *name, const vg_shape *shape, double fill);
/* arg NULL: defaults. */
VG_CHECKED vg_status vg_graph_op(int *id, vg_graph *g, const char *name, const vg_op *op, const int *in, int n_in, const double *arg);
VG_CHECKED vg_status vg_graph_set_output(vg_graph *g, int id);

/* Allocates the arena and draws first values: parameter node i from stream ("init", i) of `seed`. Called again it draws anew. */
VG_CHECKED vg_status vg_graph_materialise(vg_graph *g, uint64_t seed);
/* Makes the gradient arena and points each parameter's grad into it, stale. */
VG_CHECKED vg_status vg_graph_prepare_training(vg_graph *g);
VG_CHECKED vg_status vg_graph_set_precision(vg_graph *g, vg_dtype precision);
void vg_graph_refresh_shadow(vg_graph *g);                         /* after each change of values; nothing to do in f32 */
void vg_graph_zero_grads(vg_graph *g);                             /* marks every gradient stale; touches no memory */

typedef struct vg_run_opts {
  vg_tape *tape;                   /* NULL: inference */
  bool train;
  vg_rng rng;                      /* of dropout: node i draws from stream + i */
} vg_run_opts;
/* *out (owned by the caller) = the network's output for the batch x [N, ...input]. opts NULL: inference. */
VG_CHECKED vg_status vg_graph_run(vg_tensor **out, vg_graph *g, vg_tensor *x, const vg_run_opts *opts);

/* A new graph for inference: each batch norm that alone reads a convolution or linear layer is folded into its weight and bias, with the
 * running statistics; an activation fused in the norm becomes an operator of its own. Every value is copied. */
VG_CHECKED vg_status vg_graph_fold(vg_graph **out, const vg_graph *g);

#endif
