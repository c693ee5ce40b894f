/* The loader. Invariant: the queue holds the batches that follow the consumer's position, in order, each tagged with the generation of
 * the seek it belongs to; a seek raises the generation, so what the producer finishes late is dropped. */
#include "data/loader.h"

#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>

#include "base/alloc.h"

enum { MAX_AHEAD = 64, DRAWS = 8 };   /* DRAWS: counter values reserved for a sample */

typedef struct position { int64_t epoch, batch; } position;

typedef struct slot {
  vg_tensor *x, *y;
  vg_status status;
  char message[256];
} slot;

struct vg_loader {
  vg_dataset *data;
  vg_loader_opts opts;
  int64_t batches;
  float *mean, *std;          /* owned, C each */
  float *table;               /* owned: [C][256] normalised values of a byte */
  int64_t *order;             /* owned by whoever produces: samples in the order of order_epoch */
  int64_t order_epoch;
  position at;                /* of the consumer */
  /* The thread; everything below is guarded by `lock`. */
  bool has_thread, stop;
  pthread_t thread;
  pthread_mutex_t lock;
  pthread_cond_t wake_producer, wake_consumer;
  slot queue[MAX_AHEAD];
  int head, filled;
  uint64_t generation;
  position ahead_at;          /* what the producer makes next */
  bool paused;                /* after a failure, until the consumer seeks */
};

/* One sample: where its pixels come from. */
typedef struct window {
  bool flip;
  int64_t dy, dx;             /* of the crop, in [-crop, crop] */
  int64_t y0, y1, x0, x1;     /* of the cutout; empty when y0 == y1 */
} window;

static window draw(const vg_loader *l, int64_t epoch, int64_t place) {
  const int64_t *dim = l->data->images->shape.dim;
  window w = { 0 };
  vg_rng r = vg_rng_at(l->opts.seed, vg_rng_stream("augment", 7, epoch));
  r.counter = (uint64_t)place * DRAWS;
  if (l->opts.flip) w.flip = vg_rng_below(&r, 2) == 1;
  if (l->opts.crop > 0) {
    w.dy = vg_rng_below(&r, 2 * l->opts.crop + 1) - l->opts.crop;
    w.dx = vg_rng_below(&r, 2 * l->opts.crop + 1) - l->opts.crop;
  }
  if (l->opts.cutout > 0) {
    int64_t cy = vg_rng_below(&r, dim[1]) - l->opts.cutout / 2, cx = vg_rng_below(&r, dim[2]) - l->opts.cutout / 2;
    w.y0 = cy < 0 ? 0 : cy;
    w.x0 = cx < 0 ? 0 : cx;
    w.y1 = cy + l->opts.cutout > dim[1] ? dim[1] : cy + l->opts.cutout;
    w.x1 = cx + l->opts.cutout > dim[2] ? dim[2] : cx + l->opts.cutout;
  }
  return w;
}

/* A row of `n` pixels, normalised; the source walks back when flipped. */
static void row_u8(float *dst, const uint8_t *src, int64_t n, int64_t channels, bool flip, const float *table) {
  if (channels == 1 && !flip) {
    for (int64_t k = 0; k < n; k++) dst[k] = table[src[k]];
    return;
  }
  int64_t step = flip ? -channels : channels;
  if (flip) src += (n - 1) * channels;
  for (int64_t k = 0; k < n; k++, src += step) {
    for (int64_t c = 0; c < channels; c++) *dst++ = table[c * 256 + src[c]];
  }
}

static void row_f32(float *dst, const float *src, int64_t n, int64_t channels, bool flip, const float *mean, const float *std) {
  int64_t step = flip ? -channels : channels;
  if (flip) src += (n - 1) * channels;
  for (int64_t k = 0; k < n; k++, src += step) {
    for (int64_t c = 0; c < channels; c++) *dst++ = (src[c] - mean[c]) / std[c];
  }
}

/* `n` black pixels, normalised. */
static void row_black(float *dst, int64_t n, int64_t channels, const vg_loader *l) {
  for (int64_t k = 0; k < n; k++) {
    for (int64_t c = 0; c < channels; c++) *dst++ = -l->mean[c] / l->std[c];
  }
}

/* dst [H, W, C] = the image at `row`, through the window. */
static void sample(float *dst, const vg_loader *l, int64_t row, const window *w) {
  const int64_t *dim = l->data->images->shape.dim, H = dim[1], W = dim[2], C = dim[3];
  /* Columns [left, left + inside) of dst show the image; unflipped they show its columns from `from` on. */
  int64_t inside = W - (w->dx < 0 ? -w->dx : w->dx), left = w->dx < 0 ? -w->dx : 0, from = w->dx < 0 ? 0 : w->dx;
  if (inside < 0) inside = 0;
  if (left > W) left = W;
  if (w->flip) from = W - inside - from;     /* the flip is of the whole image, before the crop */
  for (int64_t y = 0; y < H; y++, dst += W * C) {
    int64_t sy = y + w->dy;
    if (sy < 0 || sy >= H || inside == 0) {
      row_black(dst, W, C, l);
    } else {
      int64_t at = (((int64_t)row * H + sy) * W + from) * C;
      row_black(dst, left, C, l);
      if (l->data->images->dtype == VG_U8) row_u8(dst + left * C, vg_u8(l->data->images) + at, inside, C, w->flip, l->table);
      else row_f32(dst + left * C, vg_f32(l->data->images) + at, inside, C, w->flip, l->mean, l->std);
      row_black(dst + (left + inside) * C, W - left - inside, C, l);
    }
    if (y >= w->y0 && y < w->y1) memset(dst + w->x0 * C, 0, (size_t)((w->x1 - w->x0) * C) * sizeof *dst);
  }
}

static void set_order(vg_loader *l, int64_t epoch) {
  if (l->order_epoch == epoch) return;
  for (int64_t i = 0; i < l->data->n; i++) l->order[i] = i;
  if (l->opts.shuffle) {
    vg_rng r = vg_rng_at(l->opts.seed, vg_rng_stream("shuffle", 7, epoch));
    vg_rng_shuffle(&r, l->order, (size_t)l->data->n);
  }
  l->order_epoch = epoch;
}

/* The batch at p, or NULLs at the end mark. */
static vg_status make(vg_tensor **out_x, vg_tensor **out_y, vg_loader *l, position p) {
  *out_x = *out_y = NULL;
  if (p.batch == l->batches) return VG_OK;
  const int64_t *dim = l->data->images->shape.dim;
  int64_t first = p.batch * l->opts.batch, n = l->data->n - first < l->opts.batch ? l->data->n - first : l->opts.batch;
  if (l->opts.parts > 0) {
    int64_t end = first + n * (l->opts.part + 1) / l->opts.parts;
    first += n * l->opts.part / l->opts.parts;
    n = end - first;
  }
  int64_t size = dim[1] * dim[2] * dim[3];
  vg_tensor *x = NULL, *y = NULL;
  float *scratch = NULL;
  vg_status status;
  vg_shape x_shape = VG_SHAPE(n, dim[1], dim[2], dim[3]), y_shape = VG_SHAPE(n);
  VG_GOTO(vg_tensor_new(&x, l->opts.dtype, &x_shape));
  VG_GOTO(vg_tensor_new(&y, VG_I32, &y_shape));
  if (l->opts.dtype == VG_BF16) VG_GOTO(vg_alloc((void **)&scratch, (size_t)size * sizeof *scratch));
  set_order(l, p.epoch);
  for (int64_t i = 0; i < n; i++) {
    int64_t row = vg_dataset_row(l->data, l->order[first + i]);
    window w = draw(l, p.epoch, first + i);
    sample(scratch ? scratch : vg_f32(x) + i * size, l, row, &w);
    for (int64_t k = 0; scratch && k < size; k++) vg_bf16(x)[i * size + k] = vg_f32_to_bf16(scratch[k]);
    vg_i32(y)[i] = vg_i32(l->data->labels)[row];
  }
  *out_x = x;
  *out_y = y;
done:
  vg_free(scratch);
  if (status != VG_OK) {
    vg_tensor_release(x);
    vg_tensor_release(y);
  }
  return status;
}

static position after(const vg_loader *l, position p) {
  return p.batch == l->batches ? (position){ p.epoch + 1, 0 } : (position){ p.epoch, p.batch + 1 };
}

static void *produce(void *arg) {
  vg_loader *l = arg;
  pthread_mutex_lock(&l->lock);
  while (!l->stop) {
    if (l->filled == l->opts.ahead || l->paused) {
      pthread_cond_wait(&l->wake_producer, &l->lock);
      continue;
    }
    position p = l->ahead_at;
    uint64_t generation = l->generation;
    pthread_mutex_unlock(&l->lock);
    slot made = { 0 };
    made.status = make(&made.x, &made.y, l, p);
    if (made.status != VG_OK) strncpy(made.message, vg_message(), sizeof made.message - 1);
    pthread_mutex_lock(&l->lock);
    if (generation != l->generation) {
      vg_tensor_release(made.x);
      vg_tensor_release(made.y);
      continue;
    }
    l->queue[(l->head + l->filled++) % l->opts.ahead] = made;
    l->ahead_at = after(l, p);
    l->paused = made.status != VG_OK;
    pthread_cond_signal(&l->wake_consumer);
  }
  pthread_mutex_unlock(&l->lock);
  return NULL;
}

/* Signals stay with the threads that know what to do with them. */
static vg_status start_thread(vg_loader *l) {
  sigset_t all, old;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &old);
  l->ahead_at = l->at;
  int failed = pthread_create(&l->thread, NULL, produce, l);
  pthread_sigmask(SIG_SETMASK, &old, NULL);
  if (failed) return vg_fail(VG_ENOMEM, "loader: cannot start a thread: %s", strerror(failed));
  l->has_thread = true;
  return VG_OK;
}

/* Called with the lock held, or without a thread. */
static void drop_queue(vg_loader *l) {
  for (; l->filled > 0; l->filled--) {
    vg_tensor_release(l->queue[l->head].x);
    vg_tensor_release(l->queue[l->head].y);
    l->head = (l->head + 1) % l->opts.ahead;
  }
}

static vg_status check_parts(const vg_dataset *d, const vg_loader_opts *o) {
  if (o->parts == 0) return VG_OK;
  if (o->part < 0 || o->part >= o->parts) return vg_fail(VG_EARG, "loader: no part %d of %d", o->part + 1, o->parts);
  int64_t last = o->drop_last || d->n % o->batch == 0 ? o->batch : d->n % o->batch;
  if (last < o->parts)
    return vg_fail(VG_EARG, "loader: the last batch of an epoch has %lld of %lld samples for %d parts: another batch than %d, or drop_last",
                   (long long)last, (long long)d->n, o->parts, o->batch);
  return VG_OK;
}

static vg_status check_opts(const vg_dataset *d, const vg_loader_opts *o) {
  if (o->batch < 1) return vg_fail(VG_EARG, "loader: batch must be >= 1, got %d", o->batch);
  if (o->crop < 0 || o->cutout < 0) return vg_fail(VG_EARG, "loader: crop and cutout must be >= 0, got %d and %d", o->crop, o->cutout);
  if (o->crop > d->images->shape.dim[1] || o->crop > d->images->shape.dim[2]) return vg_fail(VG_EARG, "loader: crop %d is larger than the image", o->crop);
  if (o->ahead < 0 || o->ahead > MAX_AHEAD) return vg_fail(VG_EARG, "loader: ahead must be in [0, %d], got %d", MAX_AHEAD, o->ahead);
  if (o->dtype != VG_F32 && o->dtype != VG_BF16) return vg_fail(VG_EARG, "loader: precision must be f32 or bf16, got %s", vg_dtype_name(o->dtype));
  for (int64_t c = 0; o->std && c < d->images->shape.dim[3]; c++) {
    if (!(o->std[c] > 0)) return vg_fail(VG_EARG, "loader: std must be > 0, got %g for channel %lld", o->std[c], (long long)c + 1);
  }
  if (o->drop_last && d->n < o->batch) {
    return vg_fail(VG_EARG, "loader: drop_last with a batch of %d leaves nothing of %lld samples", o->batch, (long long)d->n);
  }
  return check_parts(d, o);
}

vg_status vg_loader_new(vg_loader **out, vg_dataset *d, const vg_loader_opts *opts) {
  VG_TRY(check_opts(d, opts));
  size_t channels = (size_t)d->images->shape.dim[3];
  vg_loader *l;
  VG_TRY(VG_NEW(&l));
  pthread_mutex_init(&l->lock, NULL);
  pthread_cond_init(&l->wake_producer, NULL);
  pthread_cond_init(&l->wake_consumer, NULL);
  l->data = vg_dataset_retain(d);
  l->opts = *opts;
  l->batches = opts->drop_last ? d->n / opts->batch : (d->n + opts->batch - 1) / opts->batch;
  l->order_epoch = -1;
  vg_status status;
  VG_GOTO(vg_alloc((void **)&l->mean, channels * sizeof *l->mean));
  VG_GOTO(vg_alloc((void **)&l->std, channels * sizeof *l->std));
  VG_GOTO(vg_alloc((void **)&l->table, channels * 256 * sizeof *l->table));
  VG_GOTO(vg_alloc((void **)&l->order, (size_t)d->n * sizeof *l->order));
  for (size_t c = 0; c < channels; c++) {
    l->mean[c] = opts->mean ? opts->mean[c] : 0;
    l->std[c] = opts->std ? opts->std[c] : 1;
    for (int v = 0; v < 256; v++) l->table[c * 256 + v] = ((float)v / 255.0f - l->mean[c]) / l->std[c];
  }
  l->opts.mean = l->mean;
  l->opts.std = l->std;
  *out = l;
done:
  if (status != VG_OK) vg_loader_free(l);
  return status;
}

void vg_loader_free(vg_loader *l) {
  if (!l) return;
  if (l->has_thread) {
    pthread_mutex_lock(&l->lock);
    l->stop = true;
    pthread_cond_signal(&l->wake_producer);
    pthread_mutex_unlock(&l->lock);
    pthread_join(l->thread, NULL);
  }
  drop_queue(l);
  pthread_mutex_destroy(&l->lock);
  pthread_cond_destroy(&l->wake_producer);
  pthread_cond_destroy(&l->wake_consumer);
  vg_dataset_release(l->data);
  vg_free(l->mean);
  vg_free(l->std);
  vg_free(l->table);
  vg_free(l->order);
  vg_free(l);
}

static vg_status take(vg_loader *l, vg_tensor **x, vg_tensor **y) {
  pthread_mutex_lock(&l->lock);
  while (l->filled == 0) pthread_cond_wait(&l->wake_consumer, &l->lock);
  slot got = l->queue[l->head];
  l->head = (l->head + 1) % l->opts.ahead;
  l->filled--;
  if (got.status != VG_OK) {          /* the producer paused here: send it back to this batch */
    l->ahead_at = l->at;
    l->paused = false;
  }
  pthread_cond_signal(&l->wake_producer);
  pthread_mutex_unlock(&l->lock);
  if (got.status != VG_OK) return vg_fail(got.status, "%s", got.message);
  *x = got.x;
  *y = got.y;
  return VG_OK;
}

vg_status vg_loader_next(vg_loader *l, vg_tensor **x, vg_tensor **y) {
  if (l->opts.ahead == 0) {
    VG_TRY(make(x, y, l, l->at));
  } else {
    if (!l->has_thread) VG_TRY(start_thread(l));
    VG_TRY(take(l, x, y));
  }
  l->at = after(l, l->at);
  return VG_OK;
}

vg_status vg_loader_seek(vg_loader *l, int64_t epoch, int64_t batch) {
  if (epoch < 0 || batch < 0 || batch > l->batches) {
    return vg_fail(VG_EARG, "loader: no batch %lld in epoch %lld (%lld batches an epoch, both count from 0)", (long long)batch, (long long)epoch,
                   (long long)l->batches);
  }
  pthread_mutex_lock(&l->lock);
  l->at = l->ahead_at = (position){ epoch, batch };
  if (l->opts.ahead > 0) drop_queue(l);
  l->generation++;
  l->paused = false;
  pthread_cond_signal(&l->wake_producer);
  pthread_mutex_unlock(&l->lock);
  return VG_OK;
}

void vg_loader_tell(const vg_loader *l, int64_t *epoch, int64_t *batch) {
  *epoch = l->at.epoch;
  *batch = l->at.batch;
}

int64_t vg_loader_batches(const vg_loader *l) { return l->batches; }
const vg_dataset *vg_loader_dataset(const vg_loader *l) { return l->data; }
const vg_loader_opts *vg_loader_options(const vg_loader *l) { return &l->opts; }
