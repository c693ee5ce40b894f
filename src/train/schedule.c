#include "train/schedule.h"

#include <math.h>

vg_status vg_schedule_check(const vg_schedule *s) {
  if (!(s->lr > 0) || !isfinite(s->lr)) return vg_fail(VG_EARG, "schedule: lr must be > 0, got %g", s->lr);
  if (s->warmup < 0) return vg_fail(VG_EARG, "schedule: warmup must be >= 0 steps, got %lld", (long long)s->warmup);
  if (s->kind == VG_SCHEDULE_COSINE && !(s->floor >= 0 && s->floor <= s->lr))
    return vg_fail(VG_EARG, "schedule 'cosine': floor must be within 0 and lr %g, got %g", s->lr, s->floor);
  if (s->kind != VG_SCHEDULE_STEP) return VG_OK;
  if (!(s->factor > 0) || !isfinite(s->factor)) return vg_fail(VG_EARG, "schedule 'step': factor must be > 0, got %g", s->factor);
  if (s->n_at < 1 || s->n_at > VG_SCHEDULE_STEPS)
    return vg_fail(VG_EARG, "schedule 'step': at wants 1 to %d places, got %d", VG_SCHEDULE_STEPS, s->n_at);
  for (int i = 1; i < s->n_at; i++)
    if (s->at[i] <= s->at[i - 1]) return vg_fail(VG_EARG, "schedule 'step': the places in at must ascend");
  return VG_OK;
}

static double cosine(const vg_schedule *s, int64_t step, int64_t total) {
  int64_t length = total - s->warmup, at = step - s->warmup;
  double part = length <= 0 || at >= length ? 1 : (double)at / (double)length;
  return s->floor + (s->lr - s->floor) * 0.5 * (1 + cos(M_PI * part));
}

static double staircase(const vg_schedule *s, int64_t step) {
  double lr = s->lr;
  for (int i = 0; i < s->n_at && step >= s->at[i]; i++) lr *= s->factor;
  return lr;
}

double vg_schedule_lr(const vg_schedule *s, int64_t step, int64_t total) {
  if (step < s->warmup) return s->lr * (double)(step + 1) / (double)s->warmup;
  switch (s->kind) {
    case VG_SCHEDULE_COSINE: return cosine(s, step, total);
    case VG_SCHEDULE_STEP: return staircase(s, step);
    default: return s->lr;
  }
}
