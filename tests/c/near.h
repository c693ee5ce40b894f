/* Comparison of doubles: cmocka's own rounds to float. */
#ifndef TEST_NEAR_H
#define TEST_NEAR_H

#include <math.h>

#define assert_near(got, want, tolerance)                                                                                        \
  do {                                                                                                                           \
    double got_ = (got), want_ = (want);                                                                                         \
    if (!(fabs(got_ - want_) <= (tolerance))) {                                                                                  \
      print_error("%s = %.17g, %s = %.17g, apart by %g\n", #got, got_, #want, want_, fabs(got_ - want_));                        \
      fail();                                                                                                                    \
    }                                                                                                                            \
  } while (0)

#endif
