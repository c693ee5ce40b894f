#include "base/interrupt.h"

volatile sig_atomic_t vg_interrupted = 0;
