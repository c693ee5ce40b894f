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
 * The weights come first and the architecture's parameters after them, so that each group is one slice.
 *
 * A supernet is a graph with slots: numbers that each run sets (choice.c). A choice node takes the value of the input that its slot names, a
 * bound argument reads its slot, a prefix node is the first elements of a buffer. What a run's slots do not reach is not computed. */
#ifndef VG_GRAPH_GRAPH_H
#define VG_GRAPH_GRAPH_H

#include "tape/tape.h"

typedef enum vg_node_kind {
  VG_NODE_INPUT,
  VG_NODE_PARAM,
  VG_NODE_BUFFER,
  VG_NODE_OP,
  VG_NODE_CHOICE,           /* in[slot], which may be nothing (-1) */
  VG_NODE_SUM,              /* of those inputs that are something; the last input only says how zeros are shaped when none is */
  VG_NODE_PREFIX            /* the first `slot` elements of a buffer */
} vg_node_kind;

typedef enum vg_init {
  VG_INIT_ZEROS,
  VG_INIT_ONES,
  VG_INIT_KAIMING_NORMAL,   /* sd sqrt(2 / fan): He et al. 2015 */
  VG_INIT_UNIFORM           /* +- 1 / sqrt(fan): PyTorch's default of linear layers and biases */
} vg_init;

/* Who trains a parameter: the weights' optimiser or the architecture's. A training step takes gradients of one group (train/trainer.h). */
typedef enum vg_group { VG_WEIGHTS, VG_ARCH } vg_group;

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
  vg_group group;                  /* of a parameter */
  int64_t offset;                  /* elements into the arena, set with it by vg_graph_materialise */
  vg_tensor *tensor;               /* parameter (a view into the arena) or buffer; owned; NULL before vg_graph_materialise */
  /* operators */
  const vg_op *op;
  int n_in;
  int in[VG_MAX_IN];               /* earlier nodes; -1 = absent optional input */
  double arg[VG_MAX_ARGS];
  unsigned char arg_slot[VG_MAX_ARGS];   /* slot + 1 that the argument is read from; 0: it is fixed */
  int slot;                        /* of a choice or prefix */
  bool may_be_nothing;             /* a choice that can come out as nothing: only choices and sums may read it */
  bool is_live;                    /* the output depends on it under some slots */
  bool is_auxiliary;               /* the auxiliary output does, and the output does not */
} vg_node;

typedef struct vg_graph {
  vg_node *nodes;
  int n, room;
  int *by_name;                    /* hash table of 2 * room places: 0 = empty, else a node + 1; owned */
  int output;                      /* node, -1 until set */
  int auxiliary;                   /* the node of a second output that training alone computes, -1 none */
  double auxiliary_weight;         /* of its loss, which is added to that of the output */
  vg_dtype precision;              /* VG_F32 or VG_BF16: of activations */
  int n_slots;
  double *slot;                    /* [n_slots], those of a run that sets none; owned */
  int64_t n_params;                /* elements in the arena */
  int64_t n_weights;               /* those of the group of weights: the first of the arena */
  vg_tensor *values, *grads, *shadow;   /* arenas, owned; grads from the first training on, shadow while precision is bf16 */
} vg_graph;

/* `input` is the shape of one sample: [H, W, C] or [features]. */
VG_CHECKED vg_status vg_graph_new(vg_graph **out, const vg_shape *input);
void vg_graph_free(vg_graph *g);                                   /* NULL is fine */
/* Each sets *id to the new node. Names must be new. VG_EARG / VG_ESHAPE carry the op's own message. */
VG_CHECKED vg_status vg_graph_param(int *id, vg_graph *g, const char *name, const vg_shape *shape, vg_init init, int64_t fan, bool decays);
/* Moves a parameter into a group, before the arena is made. Those of VG_ARCH are read in f32 in any precision. */
VG_CHECKED vg_status vg_graph_set_group(vg_graph *g, int id, vg_group group);
VG_CHECKED vg_status vg_graph_buffer(int *id, vg_graph *g, const char *name, const vg_shape *shape, double fill);
/* arg NULL: defaults. */
VG_CHECKED vg_status vg_graph_op(int *id, vg_graph *g, const char *name, const vg_op *op, const int *in, int n_in, const double *arg);
VG_CHECKED vg_status vg_graph_set_output(vg_graph *g, int id);             /* and no auxiliary output any more */
/* A second output for training, Szegedy et al. 2014, arXiv:1409.4842: loss = that of the output + weight * that of the auxiliary one. Inference does
 * not compute it, counts list its head apart, folded and extracted networks are without it. After set_output; weight > 0. */
VG_CHECKED vg_status vg_graph_set_auxiliary(vg_graph *g, int id, double weight);

/* Slots, and what reads them. `first` is the value that shapes are inferred with and that runs without slots have. */
enum { VG_MAX_SLOTS = 254 };
VG_CHECKED vg_status vg_graph_slot(int *slot, vg_graph *g, double first);
/* in[i]: a node or -1 (nothing), at least one node; all of one shape. */
VG_CHECKED vg_status vg_graph_choice(int *id, vg_graph *g, const char *name, int slot, const int *in, int n_in);
/* Zeros like node `like` (of the terms' shape) when no term is something; -1: that is an error of the run. */
VG_CHECKED vg_status vg_graph_sum(int *id, vg_graph *g, const char *name, const int *in, int n_in, int like);
VG_CHECKED vg_status vg_graph_prefix(int *id, vg_graph *g, const char *name, int buffer, int slot);
/* As vg_graph_op; argument i is read from arg_slot[i] where that is not -1. */
VG_CHECKED vg_status vg_graph_bound_op(int *id, vg_graph *g, const char *name, const vg_op *op, const int *in, int n_in, const double *arg,
                                       const int *arg_slot);
/* Adds 1 to count[i], [g->n], for each node i that a run with these slots computes or reads. slots NULL: those of the graph. */
VG_CHECKED vg_status vg_graph_count_reads(int *count, const vg_graph *g, const double *slots);
/* A new graph of what these slots reach: no choices, bound arguments fixed, parameters copied in the sizes that are used. Names stay. */
VG_CHECKED vg_status vg_graph_extract(vg_graph **out, const vg_graph *g, const double *slots);

/* Allocates the arena and draws first values: parameter node i from stream ("init", i) of `seed`. Called again it draws anew. */
VG_CHECKED vg_status vg_graph_materialise(vg_graph *g, uint64_t seed);
/* Puts these f32 numbers, as many as there are parameters, in the arena's place: one that a file holds, say. They are shared, not copied. VG_EARG once
 * it was trained or read in bf16. */
VG_CHECKED vg_status vg_graph_adopt(vg_graph *g, vg_tensor *values);
/* Makes the gradient arena and points each parameter's grad into it, stale. */
VG_CHECKED vg_status vg_graph_prepare_training(vg_graph *g);
VG_CHECKED vg_status vg_graph_set_precision(vg_graph *g, vg_dtype precision);
/* From now on a tape collects gradients of this group alone, and records only what they need. */
void vg_graph_want_group(vg_graph *g, vg_group group);
void vg_graph_want_all(vg_graph *g);
void vg_graph_refresh_shadow(vg_graph *g);                         /* after each change of values; nothing to do in f32 */
void vg_graph_zero_grads(vg_graph *g);                             /* marks the wanted gradients stale; touches no memory */
void vg_graph_clear_stale(vg_graph *g);                            /* writes zeros where a wanted gradient is stale; it stays so */
/* The slice of the arenas that a group has: elements *begin to *end. */
void vg_graph_slice(int64_t *begin, int64_t *end, const vg_graph *g, vg_group group);

typedef struct vg_run_opts {
  vg_tape *tape;                   /* NULL: inference */
  bool train;
  vg_rng rng;                      /* of dropout: node i draws from stream + i */
  const double *slots;             /* [n_slots]; NULL: those of the graph */
  double momentum;                 /* of batch norms' running statistics in this run; 0: their own */
  bool frozen;                     /* training, but the running statistics stay as they are */
  vg_tensor **auxiliary;           /* gets the auxiliary output, owned by the caller; NULL where the graph has none. NULL: it is not computed */
} vg_run_opts;
/* *out (owned by the caller) = the network's output for the batch x [N, ...input]. opts NULL: inference. */
VG_CHECKED vg_status vg_graph_run(vg_tensor **out, vg_graph *g, vg_tensor *x, const vg_run_opts *opts);

/* A new graph for inference: each batch norm that alone reads a convolution or linear layer is folded into its weight and bias, with the
 * running statistics; an activation fused in the norm becomes an operator of its own; dropout and drop path go. Every value is copied. */
VG_CHECKED vg_status vg_graph_fold(vg_graph **out, const vg_graph *g);

#endif
