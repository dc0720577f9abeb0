/* For numbers of which a formula says what they are. */
#ifndef CAIRN_TESTS_NEAR_H
#define CAIRN_TESTS_NEAR_H

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static inline void near(double found, double expected, double tolerance)
{
    if (!(fabs(found - expected) <= tolerance))
        fail_msg("%.17g found, %.17g expected", found, expected);
}

#endif
