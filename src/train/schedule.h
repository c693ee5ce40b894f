/* The learning rate as a pure function of the step, so that a resumed run needs no state of it. */
#ifndef VG_TRAIN_SCHEDULE_H
#define VG_TRAIN_SCHEDULE_H

#include <stdint.h>

#include "base/status.h"

typedef enum vg_schedule_kind { VG_SCHEDULE_CONSTANT, VG_SCHEDULE_STEP, VG_SCHEDULE_COSINE } vg_schedule_kind;
enum { VG_SCHEDULE_STEPS = 16 };

typedef struct vg_schedule {
  vg_schedule_kind kind;
  double lr;                          /* the highest rate, > 0 */
  int64_t warmup;                     /* the first steps rise in a line from lr / warmup to lr; 0 = none */
  int n_at;                           /* step: the rate is multiplied by `factor` at each of these steps, ascending */
  int64_t at[VG_SCHEDULE_STEPS];
  double factor;
  double floor;                       /* cosine: the rate at the end (SGDR without restarts, arXiv:1608.03983) */
} vg_schedule;

VG_CHECKED vg_status vg_schedule_check(const vg_schedule *s);
/* The rate of step `step` (from 0) of `total`. Steps past the end keep the last rate. */
double vg_schedule_lr(const vg_schedule *s, int64_t step, int64_t total);

#endif
