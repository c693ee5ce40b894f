/* A checkpoint into a trainer that is kept: what is refused leaves it as it was. Files without checksums get furthest. */
#include <string.h>

#include "base/alloc.h"
#include "fuzz.h"
#include "train/checkpoint.h"

static vg_trainer *trainer(void) {
  static vg_trainer *t;
  vg_trainer_opts o = { .optim = vg_optim_defaults(VG_SGD), .schedule = { .kind = VG_SCHEDULE_CONSTANT, .lr = 0.1 }, .total_steps = 9, .seed = 5 };
  vg_graph *g;
  int w, y;
  if (t) return t;
  if (vg_graph_new(&g, &VG_SHAPE(6)) != VG_OK || vg_graph_param(&w, g, "weight", &VG_SHAPE(4, 6), VG_INIT_KAIMING_NORMAL, 6, true) != VG_OK ||
      vg_graph_op(&y, g, "head", vg_op_find("linear"), (int[]){ 0, w }, 2, NULL) != VG_OK || vg_graph_set_output(g, y) != VG_OK ||
      vg_graph_materialise(g, 1) != VG_OK || vg_trainer_new(&t, g, &o) != VG_OK)
    fuzz_fail("%s", vg_message());
  return t;
}

void fuzz_checkpoint(const uint8_t *data, size_t size);
void fuzz_checkpoint(const uint8_t *data, size_t size) {
  static float before[24];
  vg_trainer *t = trainer();
  vg_checkpoint_loaded loaded = { 0 };
  memcpy(before, vg_f32(t->g->values), sizeof before);
  int64_t step = t->step;
  vg_status s = vg_checkpoint_load(&loaded, t, fuzz_file(data, size));
  fuzz_check(s, VG_EARG);
  if (s != VG_OK && (memcmp(before, vg_f32(t->g->values), sizeof before) != 0 || t->step != step)) fuzz_fail("a refused file changed the trainer");
  vg_free(loaded.user);
}
