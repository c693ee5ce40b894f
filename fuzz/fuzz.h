/* Fuzzing. A target is a function of one input, fuzz/target/NAME.c (fuzz_NAME) or NAME.lua (the function it returns): it gives the input to a parser and
 * ends the process when the parser does what it must not. libfuzzer.c hands it inputs that libFuzzer makes (scripts/fuzz); replay.c those of
 * fuzz/corpus/NAME, which the tests run. CMake makes the table of targets from the files. */
#ifndef FUZZ_FUZZ_H
#define FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

typedef struct fuzz_target {
  const char *name;
  void (*run)(const uint8_t *data, size_t size);     /* NULL: in Lua */
} fuzz_target;

extern const fuzz_target fuzz_targets[];              /* ends with a NULL name */
const fuzz_target *fuzz_find(const char *name);       /* or NULL */

/* One input. Ends the process when it leaves memory behind, takes more than `most_seconds` of the processor or more than 512 MiB. */
void fuzz_run(const fuzz_target *target, const uint8_t *data, size_t size, double most_seconds);
/* What fuzz_run is at: "NAME: 123 bytes", for messages about a crash. */
const char *fuzz_at(void);

/* For targets. */
void fuzz_fail(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));
/* The path of a file in memory that holds the bytes; the next call overwrites it. */
const char *fuzz_file(const uint8_t *data, size_t size);
/* A reader may accept, or refuse with VG_EFORMAT or one other status (VG_OK: no other), and says why. */
void fuzz_check(vg_status s, vg_status other);

/* lua.c: runs fuzz/target/NAME.lua in a state that is kept. An error ends the process. With VEGA_FUZZ the lines that run are libFuzzer's feedback. */
void fuzz_lua(const char *name, const uint8_t *data, size_t size);

#endif
