/* libFuzzer's side. The target is named by VEGA_FUZZ_TARGET, which the processes that libFuzzer starts inherit. */
#include <stdio.h>
#include <stdlib.h>

#include "fuzz.h"

/* Of the processor, under the sanitizers, which cost a factor of about three. */
static const double MOST_SECONDS = 3;
static const fuzz_target *target;

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerInitialize(int *argc, char ***argv) {
  (void)argc, (void)argv;
  target = fuzz_find(getenv("VEGA_FUZZ_TARGET"));
  if (!target) {
    fputs("VEGA_FUZZ_TARGET names no target; start with scripts/fuzz\n", stderr);
    exit(2);
  }
  return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  fuzz_run(target, data, size, MOST_SECONDS);
  return 0;
}
