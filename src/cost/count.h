/* Counting a network without running it. One walk gives the parts; every published convention is derived from them by name (cost-models 3.1). */
#ifndef VG_COST_COUNT_H
#define VG_COST_COUNT_H

#include "graph/graph.h"

typedef struct vg_counts {
  int64_t params;                      /* trained numbers, of dead branches too (as NAS-Bench-201 counts); running statistics are none */
  int64_t auxiliary_params;            /* those of the auxiliary output's head, which no other figure here takes in */
  int64_t auxiliary_macs;
  int64_t norm_params;                 /* of which in norms */
  int64_t macs;                        /* M: multiply-adds of convolution, linear and matmul weights */
  int64_t macs_pointwise, macs_depthwise, macs_spatial, macs_linear;   /* M by kind; they add up to macs */
  int64_t bias_adds;                   /* b: elements that a convolution's or linear layer's bias is added to */
  int64_t linear_bias_adds;            /* the classifier's part of it */
  int64_t norm_elements;               /* B: through batch norm */
  int64_t plain_norm_elements;         /* of which through one without weight and bias, which fvcore and thop count half */
  int64_t act_elements;                /* R: through activations, fused ones too */
  int64_t pool_inputs;                 /* P: into ordinary pools */
  int64_t avg_pool_outputs;            /* A */
  int64_t max_pool_outputs;
  int64_t global_pool_inputs;          /* G: into global and adaptive pools */
  int64_t global_pool_outputs;         /* g */
  int64_t adds;                        /* elements of residual sums */
  int64_t acts;                        /* output elements of convolution and linear layers (Radosavovic et al. 2020) */
  int64_t activation_bytes;            /* all operator outputs together, f32 */
  int64_t peak_bytes;                  /* most bytes alive at once: inputs + output of one operator + what later ones read; f32, batch 1 */
  int peak_node;                       /* where */
  int64_t engine_peak_bytes;           /* most bytes that vg_graph_run holds at once, the caller's input included: it writes nothing in place, and
                                        * brings the weights of convolutions into the library's layout */
} vg_counts;

/* What is left out of everything but the peaks, which are of what runs. */
typedef enum vg_prune {
  VG_PRUNE_NOTHING,                    /* eager runtimes compute all */
  VG_PRUNE_DEAD_ENDS,                  /* what the output does not depend on; parameters that only that reads are not counted */
  VG_PRUNE_UNREACHED                   /* that, and what does not depend on the input: a constant for a compiler that folds */
} vg_prune;

typedef struct vg_count_opts {
  const vg_shape *input;               /* [H, W, C]: as if the network read samples of that shape; NULL: the graph's own */
  vg_prune prune;
} vg_count_opts;

/* Everything per image (batch 1); opts NULL: all zero. For peak_bytes element-wise operators and reshapes work in place where their input dies.
 * VG_ESHAPE when the input does not fit. */
VG_CHECKED vg_status vg_count(vg_counts *out, const vg_graph *g, const vg_count_opts *opts);

/* A published counter's total, by its name. */
typedef struct vg_convention {
  const char *name, *rule;             /* "fvcore", "M + 2B + G" in the letters above */
  int64_t (*total)(const vg_counts *c);
} vg_convention;
extern const vg_convention vg_conventions[];                 /* ended by a NULL name */
/* VG_EARG names the known ones. */
VG_CHECKED vg_status vg_count_convention(int64_t *out, const vg_counts *c, const char *convention);

#endif
