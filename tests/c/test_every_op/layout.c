/* What moves, picks or repeats elements. Axes and places count from 0 here. */
#include "proof.h"

/* --- concat, slice, reshape, transpose ------------------------------------------------------------------------------------------------- */

static void concat_shape(vg_shape *out, const model *m) {
  int axis = (int)named(m, "axis");
  *out = m->in[0].shape;
  for (int i = 1; i < m->n_in; i++) out->dim[axis] += m->in[i].shape.dim[axis];
}
static void concat(double *y, const model *m) {
  int axis = (int)named(m, "axis");
  extents all = extents_at(&m->out, axis);
  for (int64_t o = 0; o < all.outer; o++)
    for (int k = 0; k < m->n_in; k++) {
      int64_t run = m->in[k].shape.dim[axis] * all.inner;
      for (int64_t i = 0; i < run; i++) *y++ = m->in[k].v[o * run + i];
    }
}
static const char *const CONCAT_CASES[] = {
  "3 4 axis=0", "2,3 2,4 axis=1", "2,3 1,3 axis=0", "2,3,2,3 2,3,2,1 2,3,2,4 axis=3", "2,3,2,3 2,1,2,3 axis=1", "2,3,2,3 2,3,1,3 axis=2",
  "1,2,3 1,2,3 axis=0", "5 axis=0", "2,2 2,2 2,2 2,2 2,2 2,2 2,2 2,2 2,2 2,2 2,2 2,2 2,2 2,2 2,2 2,2 axis=1", "0,3 2,3 axis=0", "2,0 2,3 axis=1",
  "0,2 0,3 axis=1", "2,3 2,3 axis=1 same", "2,3 2,3 2,3 axis=0 same", "1 1 axis=0", "4,1,17 4,1,17 axis=1", "4,33 4,31 axis=1",
  "2,1,2,1,2,3 2,1,2,1,2,3 axis=4", "3,300,40 3,260,40 axis=1", "70,500 70,500 axis=1", NULL
};
static const refusal CONCAT_REFUSALS[] = {
  { "2,3 2,4 axis=2", VG_EARG, "concat: axis 2 does not exist in a tensor of 2 axes" },
  { "2,3 2,4 axis=-1", VG_EARG, "concat: axis -1 does not exist in a tensor of 2 axes" },
  { "2,3 3,3 axis=1", VG_ESHAPE, "concat: input 2 is [3, 3] and does not fit beside [2, 3]" },
  { "2,3 2,3,1 axis=1", VG_ESHAPE, "concat: input 2 is [2, 3, 1] and does not fit beside [2, 3]" },
  { "2,3 2,3@h axis=1", VG_EARG, "concat: input 2 is bf16, input 1 is f32" },
  { "2,3 - 2,3 axis=1", VG_EARG, "concat: input 2 is missing" }, { 0 }
};

static void slice_shape(vg_shape *out, const model *m) {
  *out = m->in[0].shape;
  int64_t n = 0;
  for (double i = named(m, "begin"); i < named(m, "end"); i += named(m, "step")) n++;
  out->dim[(int)named(m, "axis")] = n;
}
static void slice(double *y, const model *m) {
  int axis = (int)named(m, "axis");
  extents e = extents_at(&m->in[0].shape, axis);
  for (int64_t o = 0; o < e.outer; o++)
    for (int64_t l = (int64_t)named(m, "begin"); l < (int64_t)named(m, "end"); l += (int64_t)named(m, "step"))
      for (int64_t i = 0; i < e.inner; i++) *y++ = m->in[0].v[(o * e.length + l) * e.inner + i];
}
static const char *const SLICE_CASES[] = {
  "7 axis=0 end=7", "7 axis=0 begin=2 end=5", "7 axis=0 begin=6 end=7", "7 axis=0 end=7 step=2", "7 axis=0 begin=1 end=7 step=3",
  "7 axis=0 end=7 step=100", "1 axis=0 end=1", "6,7,8 axis=0 begin=1 end=6 step=2", "6,7,8 axis=1 begin=1 end=6",
  "6,7,8 axis=1 begin=1 end=6 step=3", "6,7,8 axis=2 begin=1 end=6", "6,7,8 axis=2 begin=1 end=6 step=2", "2,3,3,8 axis=3 end=4",
  "2,3,3,8 axis=3 begin=4 end=8", "2,4,4,3 axis=1 end=4 step=2", "0,4 axis=1 end=2", "4,0 axis=0 begin=1 end=3",
  "2,1,2,1,2,3 axis=5 begin=1 end=2", "3,17 axis=1 begin=1 end=17", "33,5 axis=0 begin=16 end=33", "300,250 axis=1 begin=3 end=250",
  "300,250 axis=0 end=300 step=2", NULL
};
static const refusal SLICE_REFUSALS[] = {
  { "4 axis=1 end=2", VG_EARG, "slice: axis 1 does not exist in a tensor of 1 axes" },
  { "4 axis=0 begin=2 end=2", VG_ESHAPE, "slice: elements 3 to 2 of an axis of 4" },
  { "4 axis=0 begin=-1 end=2", VG_ESHAPE, "slice: elements 0 to 2 of an axis of 4" },
  { "4 axis=0 begin=1 end=5", VG_ESHAPE, "slice: elements 2 to 5 of an axis of 4" }, { 0 }
};

static void reshape_shape(vg_shape *out, const model *m) {
  int open = -1;
  int64_t known = 1;
  *out = (vg_shape){ .rank = (int)m->arg[0] };
  for (int i = 0; i < out->rank; i++) {
    out->dim[i] = (int64_t)m->arg[1 + i];
    if (out->dim[i] == -1) open = i;
    else known *= out->dim[i];
  }
  if (open >= 0) out->dim[open] = m->in[0].n / known;
}
static void same_order(double *y, const model *m) {
  for (int64_t i = 0; i < m->in[0].n; i++) y[i] = m->in[0].v[i];
}
static const char *const RESHAPE_CASES[] = {
  "2,3,4 rank=2 d0=6 d1=4", "2,3,4 rank=2 d0=-1 d1=6", "2,3,4 rank=1 d0=24", "2,3,4 rank=1 d0=-1", "2,3,4 rank=3 d0=4 d1=3 d2=2", "1 rank=0",
  ". rank=1 d0=1", ". rank=0", "12 rank=4 d0=1 d1=3 d2=-1 d3=1", "6 rank=6 d0=1 d1=1 d2=2 d3=1 d4=3 d5=1", "2,1,3 rank=2 d0=2 d1=3",
  "0,4 rank=1 d0=0", "0,4 rank=2 d0=-1 d1=2", "4,0,2 rank=3 d0=2 d1=0 d2=9", "33 rank=2 d0=3 d1=11", "2,3,3,8 rank=2 d0=-1 d1=72",
  "5,5 rank=2 d0=25 d1=-1", "70,1000 rank=2 d0=-1 d1=10", "7 rank=1 d0=7", "1,1,1 rank=1 d0=1", NULL
};
static const refusal RESHAPE_REFUSALS[] = {
  { "2,3 rank=2 d0=4 d1=2", VG_ESHAPE, "reshape: [2, 3] does not fit into [4, 2]" },
  { "2,3 rank=2 d0=4 d1=-1", VG_ESHAPE, "reshape: [2, 3] does not fit into [4, -1]" },
  { "2,3 rank=2 d0=-1 d1=-1", VG_EARG, "reshape: extent 2 is -1; one may be -1, the others at least 0" },
  { "2,3 rank=1 d0=-2", VG_EARG, "reshape: extent 1 is -2; one may be -1, the others at least 0" },
  { "2,3 rank=2 d0=1000000000000 d1=1000000000000", VG_EARG, "reshape: the extents are too large" },
  { "0,3 rank=2 d0=0 d1=-1", VG_ESHAPE, "reshape: [0, 3] does not fit into [0, -1]" }, { 0 }
};

static void transpose_shape(vg_shape *out, const model *m) {
  int a = (int)named(m, "axis_a"), b = (int)named(m, "axis_b");
  *out = m->in[0].shape;
  out->dim[a] = m->in[0].shape.dim[b];
  out->dim[b] = m->in[0].shape.dim[a];
}
static void transpose(double *y, const model *m) {
  const vg_shape *s = &m->in[0].shape;
  int a = (int)named(m, "axis_a"), b = (int)named(m, "axis_b");
  for (int64_t i = 0; i < m->in[0].n; i++) {
    int64_t place[VG_MAX_RANK], at = 0;
    for (int64_t k = s->rank - 1, rest = i; k >= 0; rest /= m->out.dim[k--]) place[k] = rest % m->out.dim[k];
    int64_t swap = place[a];
    place[a] = place[b];
    place[b] = swap;
    for (int k = 0; k < s->rank; k++) at = at * s->dim[k] + place[k];
    y[i] = m->in[0].v[at];
  }
}
static const char *const TRANSPOSE_CASES[] = {
  "3,4 axis_a=0 axis_b=1", "3,4 axis_a=1 axis_b=0", "3,4 axis_a=1 axis_b=1", "7 axis_a=0 axis_b=0", "1,5 axis_a=0 axis_b=1",
  "2,3,4 axis_a=0 axis_b=1", "2,3,4 axis_a=0 axis_b=2", "2,3,4 axis_a=1 axis_b=2", "2,3,4,5 axis_a=1 axis_b=3", "2,3,4,5 axis_a=0 axis_b=3",
  "2,3,4,5 axis_a=2 axis_b=0", "2,1,2,3,1,2 axis_a=3 axis_b=5", "0,3 axis_a=0 axis_b=1", "2,0,3 axis_a=0 axis_b=2", "17,33 axis_a=0 axis_b=1",
  "3,16,15 axis_a=1 axis_b=2", "15,2,17 axis_a=0 axis_b=2", "270,250 axis_a=0 axis_b=1", "30,8,300 axis_a=0 axis_b=1",
  "30,8,300 axis_a=0 axis_b=2", NULL
};
static const refusal TRANSPOSE_REFUSALS[] = {
  { "2,3 axis_a=0 axis_b=2", VG_EARG, "transpose: axis 2 does not exist in a tensor of 2 axes" },
  { "2,3 axis_a=-1 axis_b=0", VG_EARG, "transpose: axis -1 does not exist in a tensor of 2 axes" }, { 0 }
};

/* --- images: pad, shuffles, upsample ------------------------------------------------------------------------------------------------------ */

static void pad_shape(vg_shape *out, const model *m) {
  *out = m->in[0].shape;
  out->dim[1] += (int64_t)(named(m, "top") + named(m, "bottom"));
  out->dim[2] += (int64_t)(named(m, "left") + named(m, "right"));
  out->dim[3] += (int64_t)(named(m, "channels_begin") + named(m, "channels_end"));
}
static void pad(double *y, const model *m) {
  const int64_t *d = m->in[0].shape.dim, *e = m->out.dim;
  for (int64_t i = 0, n = vg_shape_count(&m->out); i < n; i++) {
    int64_t c = i % e[3] - (int64_t)named(m, "channels_begin"), w = i / e[3] % e[2] - (int64_t)named(m, "left"),
        h = i / e[3] / e[2] % e[1] - (int64_t)named(m, "top");
    bool inside = c >= 0 && c < d[3] && w >= 0 && w < d[2] && h >= 0 && h < d[1];
    y[i] = inside ? m->in[0].v[((i / e[3] / e[2] / e[1] * d[1] + h) * d[2] + w) * d[3] + c] : named(m, "value");
  }
}
static const char *const PAD_CASES[] = {
  "2,3,4,5 top=1 bottom=1 left=1 right=1", "2,3,4,5 top=1", "2,3,4,5 bottom=2", "2,3,4,5 left=3", "2,3,4,5 right=1", "2,3,4,5 channels_begin=2",
  "2,3,4,5 channels_end=3", "2,3,4,5 top=1 bottom=2 left=3 right=4 channels_begin=1 channels_end=2 value=0.5", "2,3,4,5",
  "1,1,1,1 top=2 left=2 value=-1", "1,1,1,17 right=1", "2,5,1,3 left=1 right=1", "0,2,2,3 top=1", "2,0,2,3 top=1 value=2", "2,2,0,3 right=1",
  "2,2,2,0 channels_end=2", "3,2,2,1 top=1 channels_end=1", "1,6,6,16 top=1 bottom=1 left=1 right=1 value=0.25",
  "2,4,4,33 left=1 channels_begin=1", "8,30,30,12 top=1 bottom=1 left=1 right=1", NULL
};
static const refusal PAD_REFUSALS[] = { { "3,4,5 top=1", VG_ESHAPE, "pad: the input must be [N, H, W, C], got [3, 4, 5]" }, { 0 } };

static void channel_shuffle(double *y, const model *m) {
  int64_t C = m->out.dim[m->out.rank - 1], g = (int64_t)named(m, "groups"), n = m->in[0].n;
  for (int64_t i = 0; i < n; i++) y[i] = m->in[0].v[i / C * C + i % C % g * (C / g) + i % C / g];
}
static const char *const CHANNEL_SHUFFLE_CASES[] = {
  "6 groups=2", "6 groups=3", "6 groups=6", "6 groups=1", "2,6 groups=3", "2,3,3,8 groups=2", "2,3,3,8 groups=4", "1,1,1,12 groups=4",
  "2,3,3,1 groups=1", "0,6 groups=2", "3,0 groups=5", "2,0,2,6 groups=3", "2,1,1,34 groups=17", "2,1,1,34 groups=2", "1,2,1,2,1,6 groups=3",
  "5,48 groups=3", "4,7,7,24 groups=3", "33,10 groups=5", "16,16,16,32 groups=4", "2,5,5,116 groups=2", NULL
};
static const refusal CHANNEL_SHUFFLE_REFUSALS[] = {
  { ". groups=1", VG_ESHAPE, "channel_shuffle: the input has no axes" },
  { "2,3 groups=2", VG_ESHAPE, "channel_shuffle: 3 channels cannot be parted into 2 groups" }, { 0 }
};

static void pixel_shuffle_shape(vg_shape *out, const model *m) {
  int64_t r = (int64_t)named(m, "factor");
  const int64_t *d = m->in[0].shape.dim;
  *out = VG_SHAPE(d[0], d[1] * r, d[2] * r, d[3] / (r * r));
}
static void pixel_shuffle(double *y, const model *m) {
  int64_t r = (int64_t)named(m, "factor");
  const int64_t *e = m->out.dim, *d = m->in[0].shape.dim;
  for (int64_t n = 0; n < e[0]; n++)
    for (int64_t h = 0; h < e[1]; h++)
      for (int64_t w = 0; w < e[2]; w++)
        for (int64_t c = 0; c < e[3]; c++) *y++ = m->in[0].v[((n * d[1] + h / r) * d[2] + w / r) * d[3] + c * r * r + h % r * r + w % r];
}
static const char *const PIXEL_SHUFFLE_CASES[] = {
  "1,2,2,4 factor=2", "2,3,2,12 factor=2", "2,3,2,9 factor=3", "2,3,2,18 factor=3", "1,1,1,16 factor=4", "2,3,3,5 factor=1", "0,2,2,4 factor=2",
  "2,0,2,4 factor=2", "2,2,0,4 factor=2", "2,2,2,0 factor=2", "1,1,5,8 factor=2", "1,5,1,8 factor=2", "3,4,4,20 factor=2", "1,2,3,50 factor=5",
  "2,2,2,68 factor=2", "4,16,16,36 factor=3", "2,7,7,64 factor=8", "1,3,3,32 factor=4", "2,5,5,4 factor=2", "8,24,24,16 factor=2", NULL
};
static const refusal PIXEL_SHUFFLE_REFUSALS[] = { { "2,3,4 factor=2", VG_ESHAPE, "pixel_shuffle: the input must be [N, H, W, C], got [2, 3, 4]" },
                                                  { "1,2,2,6 factor=2", VG_ESHAPE, "pixel_shuffle: 6 channels are no multiple of 4" }, { 0 } };

static void upsample_shape(vg_shape *out, const model *m) {
  *out = m->in[0].shape;
  out->dim[1] *= (int64_t)named(m, "factor");
  out->dim[2] *= (int64_t)named(m, "factor");
}
/* The weight of source place `from` in result place `to`, along one axis of `size` places. */
static double tent(int64_t to, int64_t from, int64_t size, double factor, bool bilinear) {
  if (!bilinear) return (int64_t)((double)to / factor) == from;
  double at = ((double)to + 0.5) / factor - 0.5;
  at = at < 0 ? 0 : at > (double)(size - 1) ? (double)(size - 1) : at;
  double away = at > (double)from ? at - (double)from : (double)from - at;
  return away < 1 ? 1 - away : 0;
}
static void upsample(double *y, const model *m) {
  const int64_t *d = m->in[0].shape.dim, *e = m->out.dim;
  double f = named(m, "factor");
  bool bilinear = named(m, "mode") == 1;
  for (int64_t n = 0; n < e[0]; n++)
    for (int64_t h = 0; h < e[1]; h++)
      for (int64_t w = 0; w < e[2]; w++)
        for (int64_t c = 0; c < e[3]; c++) {
          double sum = 0;
          for (int64_t i = 0; i < d[1]; i++) {
            double v = tent(h, i, d[1], f, bilinear);
            for (int64_t j = 0; v > 0 && j < d[2]; j++) sum += v * tent(w, j, d[2], f, bilinear) * m->in[0].v[((n * d[1] + i) * d[2] + j) * d[3] + c];
          }
          *y++ = sum;
        }
}
static const char *const UPSAMPLE_CASES[] = {
  "1,2,2,1 factor=2", "1,2,2,1 factor=2 mode=bilinear", "2,3,2,5 factor=2", "2,3,2,5 factor=2 mode=bilinear", "2,3,2,5 factor=3",
  "2,3,2,5 factor=3 mode=bilinear", "1,1,1,3 factor=4", "1,1,1,3 factor=4 mode=bilinear", "2,3,3,4 factor=1", "2,3,3,4 factor=1 mode=bilinear",
  "1,1,5,2 factor=2 mode=bilinear", "1,5,1,2 factor=2 mode=bilinear", "0,2,2,3 factor=2", "0,2,2,3 factor=2 mode=bilinear", "2,0,2,3 factor=2",
  "2,2,0,3 factor=2 mode=bilinear", "2,2,2,0 factor=2", "1,4,4,17 factor=2 mode=bilinear", "1,2,2,33 factor=5 mode=bilinear",
  "2,2,2,40 factor=5", "1,3,3,2 factor=8 mode=bilinear", "1,2,2,1030 factor=2 mode=bilinear", "4,16,16,20 factor=2", NULL
};
static const refusal UPSAMPLE_REFUSALS[] = { { "2,3,4 factor=2", VG_ESHAPE, "upsample: the input must be [N, H, W, C], got [2, 3, 4]" },
                                             { "1,2,2,3@i4 factor=2", VG_EARG, "upsample: input 1 must be f32 or bf16, got i32" }, { 0 } };

/* --- embedding ------------------------------------------------------------------------------------------------------------------------------ */

static void embedding_shape(vg_shape *out, const model *m) {
  *out = m->in[1].shape;
  out->dim[out->rank++] = m->in[0].shape.dim[1];
}
static void embedding(double *y, const model *m) {
  int64_t width = m->in[0].shape.dim[1];
  for (int64_t i = 0; i < m->in[1].n; i++)
    for (int64_t k = 0; k < width; k++) *y++ = m->in[0].v[(int64_t)m->in[1].v[i] * width + k];
}
static const char *const EMBEDDING_CASES[] = {
  "4,3 5@i4", "4,3 .@i4", "4,3 2,3@i4", "1,3 4@i1", "4,1 4@i4", "10,16 7@i10", "10,17 7@i10", "10,33 2,5@i10", "4,3 0@i4", "4,0 5@i4",
  "3,2 40@i3", "100,8 20@i100", "2,5 2,2,2@i2", "5,4 1,1,1,1,3@i5", "50,24 3,3@i50", "7,7 7@i7", "8,64 16@i8", "30,9 30@i30", "3,3 3,1,3@i3",
  "60,1100 70@i60", NULL
};
static const refusal EMBEDDING_REFUSALS[] = {
  { "4 5@i4", VG_ESHAPE, "embedding: the table must be [rows, width], got [4]" }, { "4,3 5", VG_EARG, "embedding: ids must be i32, got f32" },
  { "4,3@i9 5@i4", VG_EARG, "embedding: input 1 must be f32 or bf16, got i32" },
  { "4,3 1,1,1,1,1,2@i4", VG_ESHAPE, "embedding: ids of 6 axes leave none for the width" },
  { "0,3 1@i1", VG_EARG, "embedding: id 0 at element 1, expected 0 to -1" }, { 0 }
};

const proof LAYOUT_PROOFS[] = {
  { .op = "concat", .cases = CONCAT_CASES, .refusals = CONCAT_REFUSALS, .shape = concat_shape, .formula = concat, .moves = true },
  { .op = "slice", .cases = SLICE_CASES, .refusals = SLICE_REFUSALS, .shape = slice_shape, .formula = slice, .moves = true },
  { .op = "reshape", .cases = RESHAPE_CASES, .refusals = RESHAPE_REFUSALS, .shape = reshape_shape, .formula = same_order, .moves = true },
  { .op = "transpose", .cases = TRANSPOSE_CASES, .refusals = TRANSPOSE_REFUSALS, .shape = transpose_shape, .formula = transpose, .moves = true },
  { .op = "pad", .cases = PAD_CASES, .refusals = PAD_REFUSALS, .shape = pad_shape, .formula = pad, .moves = true },
  { .op = "channel_shuffle", .cases = CHANNEL_SHUFFLE_CASES, .refusals = CHANNEL_SHUFFLE_REFUSALS, .formula = channel_shuffle, .moves = true },
  { .op = "pixel_shuffle", .cases = PIXEL_SHUFFLE_CASES, .refusals = PIXEL_SHUFFLE_REFUSALS, .shape = pixel_shuffle_shape,
    .formula = pixel_shuffle, .moves = true },
  { .op = "upsample", .cases = UPSAMPLE_CASES, .refusals = UPSAMPLE_REFUSALS, .shape = upsample_shape, .formula = upsample },
  { .op = "embedding", .cases = EMBEDDING_CASES, .refusals = EMBEDDING_REFUSALS, .shape = embedding_shape, .formula = embedding, .moves = true },
  { 0 }
};
