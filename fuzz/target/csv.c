#include <string.h>

#include "data/csv.h"
#include "fuzz.h"

void fuzz_csv(const uint8_t *data, size_t size);
void fuzz_csv(const uint8_t *data, size_t size) {
  vg_csv csv = { 0 };
  vg_status s = vg_csv_read(&csv, fuzz_file(data, size), 1 << 24);
  fuzz_check(s, VG_OK);
  if (s != VG_OK) return;
  for (size_t row = 0; row <= csv.n_rows; row++)
    for (size_t column = 0; column < csv.n_columns; column++) (void)strlen(vg_csv_field(&csv, row, column));
  vg_csv_clear(&csv);
}
