/*
 * exp, log, sqrt, tanh, erf, and sine and cosine of whole turns, in single precision: without
 * branches and without tables, so that a loop over them is vectorised, which libm's are not without
 * -ffast-math. Within 3 units in the last place; infinities, NaN, signed zero and subnormal numbers
 * are right.
 *
 * Polynomials: exp, log and tanh after Cephes (S. L. Moshier), erf after N. Juffa's erff.
 */
#ifndef CAIRN_ENGINE_CPU_MATH_H
#define CAIRN_ENGINE_CPU_MATH_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#define MATH_INLINE static inline __attribute__((always_inline, unused))

/* Fused where the processor can: a call to the C library's would not be vectorised. */
MATH_INLINE float fma1(float a, float b, float c)
{
#ifdef __FMA__
    return __builtin_fmaf(a, b, c);
#else
    return a * b + c;
#endif
}

MATH_INLINE uint32_t bits_of(float x)
{
    uint32_t u;
    memcpy(&u, &x, sizeof u);
    return u;
}

MATH_INLINE float float_of(uint32_t u)
{
    float x;
    memcpy(&x, &u, sizeof x);
    return x;
}

MATH_INLINE float abs1(float x)
{
    return float_of(bits_of(x) & 0x7fffffffu);
}

MATH_INLINE float sign_as(float x, float sign)
{
    return float_of((bits_of(x) & 0x7fffffffu) | (bits_of(sign) & 0x80000000u));
}

/* The first argument where it is NaN. */
MATH_INLINE float min1(float x, float bound)
{
    return x > bound ? bound : x;
}

MATH_INLINE float max1(float x, float bound)
{
    return x < bound ? bound : x;
}

/* x = n log 2 + r, |r| <= log(2) / 2; exp(x) = 2^n exp(r), scaled in two steps because 2^n alone
 * may be out of range where the result is not. */
MATH_INLINE float exp1(float x)
{
    const float magic = 12582912.0f; /* 1.5 * 2^23: adding it rounds to an integer */
    x = max1(min1(x, 89.0f), -104.0f);
    float shifted = fma1(x, 1.44269504088896341f, magic);
    float n = shifted - magic;
    uint32_t whole = bits_of(shifted) - bits_of(magic);
    float r = fma1(n, -0.693359375f, x);
    r = fma1(n, 2.12194440e-4f, r);
    float p = 1.9875691500e-4f;
    p = fma1(p, r, 1.3981999507e-3f);
    p = fma1(p, r, 8.3334519073e-3f);
    p = fma1(p, r, 4.1665795894e-2f);
    p = fma1(p, r, 1.6666665459e-1f);
    p = fma1(p, r, 5.0000001201e-1f);
    p = fma1(p, r * r, r) + 1.0f;
    uint32_t half = (uint32_t)((int32_t)whole >> 1);
    return p * float_of((half + 127u) << 23) * float_of((whole - half + 127u) << 23);
}

/* Newton's iteration for 1/sqrt(x), whose last step is for the root itself. The C library's may set
 * errno, which keeps the compiler from vectorising it. */
MATH_INLINE float sqrt1(float x)
{
    float lift = x < 1.17549435e-38f ? 16777216.0f : 1.0f, a = x * lift;
    float y = float_of(0x5f375a86u - (bits_of(a) >> 1));
    for (int i = 0; i < 2; i++)
        y = y * fma1(-0.5f * a * y, y, 1.5f);
    float s = a * y;
    s = fma1(0.5f * y, fma1(-s, s, a), s);
    s = x < 1.17549435e-38f ? s * (1.0f / 4096.0f) : s;
    s = x < INFINITY ? s : x;
    s = x < 0 ? NAN : s;
    return x == 0 ? x : s;
}

/* x = 2^e m with m in [sqrt(1/2), sqrt(2)) */
MATH_INLINE float log1(float x)
{
    float scaled = x < 1.17549435e-38f ? x * 8388608.0f : x;
    float lift = x < 1.17549435e-38f ? -23.0f : 0.0f;
    uint32_t u = bits_of(scaled) - 0x3f3504f3u;
    float e = (float)((int32_t)u >> 23) + lift;
    float f = float_of((u & 0x007fffffu) + 0x3f3504f3u) - 1.0f;
    float p = 7.0376836292e-2f;
    p = fma1(p, f, -1.1514610310e-1f);
    p = fma1(p, f, 1.1676998740e-1f);
    p = fma1(p, f, -1.2420140846e-1f);
    p = fma1(p, f, 1.4249322787e-1f);
    p = fma1(p, f, -1.6668057665e-1f);
    p = fma1(p, f, 2.0000714765e-1f);
    p = fma1(p, f, -2.4999993993e-1f);
    p = fma1(p, f, 3.3333331174e-1f);
    float s = f * f;
    p = fma1(e, -2.12194440e-4f, p * f * s);
    p = fma1(s, -0.5f, p);
    p = fma1(e, 0.693359375f, f + p);
    p = x < INFINITY ? p : x; /* infinity and NaN */
    p = x < 0 ? NAN : p;
    return x == 0 ? -INFINITY : p;
}

MATH_INLINE float tanh1(float x)
{
    float t = abs1(x), s = x * x;
    float p = -5.70498872745e-3f;
    p = fma1(p, s, 2.06390887954e-2f);
    p = fma1(p, s, -5.37397155531e-2f);
    p = fma1(p, s, 1.33314422036e-1f);
    p = fma1(p, s, -3.33332819422e-1f);
    float small = fma1(p * s, t, t), large = 1.0f - 2.0f / (exp1(t + t) + 1.0f);
    return sign_as(t < 0.625f ? small : large, x);
}

MATH_INLINE float erf1(float x)
{
    float t = abs1(x), s = x * x;
    float p = fma1(-1.72853470e-5f, t, 3.83197126e-4f);
    p = fma1(p, s, fma1(-3.88396438e-3f, t, 2.42546219e-2f));
    p = fma1(p, t, -1.06777877e-1f);
    p = fma1(p, t, -6.34846687e-1f);
    p = fma1(p, t, -1.28717512e-1f);
    p = fma1(p, t, -t);
    float large = sign_as(1.0f - exp1(p), x);
    float q = -5.96761703e-4f;
    q = fma1(q, s, 4.99119423e-3f);
    q = fma1(q, s, -2.67681349e-2f);
    q = fma1(q, s, 1.12819925e-1f);
    q = fma1(q, s, -3.76125336e-1f);
    q = fma1(q, s, 1.28379166e-1f);
    q = fma1(q, x, x);
    return t > 0.927734375f ? large : q;
}

/* sin and cos of 2 pi u, u in [0, 1): to the nearest quarter turn, then on [-pi/4, pi/4] */
MATH_INLINE void turn1(float u, float *sine, float *cosine)
{
    const float magic = 12582912.0f;
    float shifted = 4.0f * u + magic;
    uint32_t quarter = bits_of(shifted);
    float a = (u - 0.25f * (shifted - magic)) * 6.28318530717958648f, z = a * a;
    float s = fma1(-1.9515295891e-4f, z, 8.3321608736e-3f);
    s = fma1(s, z, -1.6666654611e-1f);
    s = fma1(s * z, a, a);
    float c = fma1(2.443315711809948e-5f, z, -1.388731625493765e-3f);
    c = fma1(c, z, 4.166664568298827e-2f);
    c = fma1(c, z * z, fma1(-0.5f, z, 1.0f));
    float first = quarter & 1u ? c : s, second = quarter & 1u ? s : c;
    *sine = quarter & 2u ? -first : first;
    *cosine = (quarter + 1u) & 2u ? -second : second;
}

#endif
