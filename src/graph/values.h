/* The distinct values of a supernet's nodes over many settings of its slots ("paths").
 *
 * A value is what a node computes in one setting; two are the same when operator, arguments and the values that go in are the same, and then
 * they have one number. So paths share whatever they have in common, wherever in the graph: an equal beginning, and also what is equal behind
 * a choice that passed its input on, under two names. A choice and a sum of one term have no value of their own, a longer sum is a chain of
 * additions in the order of a run. Numbers are handed out inputs first: those of a value are smaller than its own. */
#ifndef VG_GRAPH_VALUES_H
#define VG_GRAPH_VALUES_H

#include "graph/node.h"

typedef enum vg__value_kind {
  VG__VALUE_INPUT,
  VG__VALUE_STORED,         /* a parameter or buffer */
  VG__VALUE_PREFIX,
  VG__VALUE_OP,
  VG__VALUE_ADD,
  VG__VALUE_ZEROS,
  VG__VALUE_LAYER,          /* weight and bias of a convolution with the batch norm behind it, of: weight, bias, mean, variance, gamma, beta */
  VG__VALUE_CONV            /* of: input, layer */
} vg__value_kind;

typedef struct vg__value {
  vg__value_kind kind;
  int node, path;           /* the node that first had it, and in which path: they say operator, arguments, parameter */
  int n_in, first_in;       /* its inputs are in[first_in .. first_in + n_in - 1] of the list below, -1 = absent */
  bool varies;              /* it depends on the network's input; the others are functions of parameters alone */
  uint64_t hash;
} vg__value;

typedef struct vg__values {
  const vg_graph *g;        /* borrowed */
  const double *slots;      /* [n_paths][g->n_slots], borrowed */
  bool keeps_random;        /* operators that draw random numbers in training are equal only as the same node */
  int *layer;               /* [g->n] the convolution that the node, itself or a batch norm, ends as a layer; or a VG__LAYER word. NULL: no layers */
  int n_paths;
  vg__value *value;         /* [n]; number 0 is the network's input */
  int n, room;
  int *in;
  int n_in, in_room;
  int *by_hash;             /* table of 2 * room places: 0 = empty, else a value + 1 */
  int *network;             /* [n_paths] which of the distinct networks a path is: paths with one output value are one */
  int n_networks;
  int *output;              /* [n_networks] the value */
  int *order;               /* [n_networks] the networks sorted so that those with equal beginnings are neighbours */
} vg__values;

/* The node is no part of a layer; it is the convolution before the norm that ends it. */
enum { VG__LAYER_NONE = -1, VG__LAYER_INSIDE = -2 };

typedef struct vg__values_opts {
  bool layers, training;
} vg__values_opts;

/* With `training` the values are also those of a run in training mode. With `layers`, convolutions whose weights are parameters are values of
 * kind CONV, together with a batch norm that alone reads them; what is a layer depends on the graph, not on the paths. VG_EARG when a slot names
 * no candidate or a path has nothing to compute. The caller calls _deinit, also after a failure. */
VG_CHECKED vg_status vg__values_init(vg__values *s, const vg_graph *g, const double *slots, int n_paths, vg__values_opts opts);
void vg__values_deinit(vg__values *s);

static inline const int *vg__value_in(const vg__values *s, int v) { return s->in + s->value[v].first_in; }
/* The arguments of an operator's value. */
void vg__value_args(double arg[VG_MAX_ARGS], const vg__values *s, int v);
/* The same for the convolution of a layer. */
void vg__value_conv_args(double arg[VG_MAX_ARGS], const vg__values *s, int v);

#endif
