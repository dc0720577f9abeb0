#include "view/stats.h"

#include <math.h>

double stats_mean(const double *x, size_t count)
{
    double sum = 0;
    if (!count)
        return NAN;
    for (size_t i = 0; i < count; i++)
        sum += x[i];
    /* a second pass removes the rounding of the first: the mean of equal values is exactly that
     * value */
    double mean = sum / (double)count, rest = 0;
    for (size_t i = 0; i < count; i++)
        rest += x[i] - mean;
    return mean + rest / (double)count;
}

double stats_sd(const double *x, size_t count)
{
    if (count < 2)
        return NAN;
    double mean = stats_mean(x, count), sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += (x[i] - mean) * (x[i] - mean);
    return sqrt(sum / (double)(count - 1));
}

/* ---- Student's t ---------------------------------------------------------------------------- */
/* The continued fraction of the incomplete beta function, by Lentz's method (Abramowitz and Stegun
 * 26.5.8; Press et al., Numerical Recipes, 6.4). */
static double beta_fraction(double a, double b, double x)
{
    const double tiny = 1e-300;
    double c = 1, d = 1 - (a + b) * x / (a + 1);
    d = 1 / (fabs(d) < tiny ? tiny : d);
    double h = d;
    for (int m = 1; m < 1000; m++) {
        double even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
        double odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
        const double terms[] = {even, odd};
        double step = 1;
        for (int i = 0; i < 2; i++) {
            d = 1 + terms[i] * d;
            c = 1 + terms[i] / c;
            d = 1 / (fabs(d) < tiny ? tiny : d);
            c = fabs(c) < tiny ? tiny : c;
            step = c * d;
            h *= step;
        }
        if (fabs(step - 1) < 1e-15)
            break;
    }
    return h;
}

/* I_x(a, b); the fraction converges fast on one side of the mean, and symmetry gives the other. */
static double beta_regular(double a, double b, double x)
{
    if (x <= 0)
        return 0;
    if (x >= 1)
        return 1;
    double front = exp(lgamma(a + b) - lgamma(a) - lgamma(b) + a * log(x) + b * log1p(-x));
    if (x < (a + 1) / (a + b + 2))
        return front * beta_fraction(a, b, x) / a;
    return 1 - front * beta_fraction(b, a, 1 - x) / b;
}

/* P(T > t) for t >= 0. */
static double t_tail(double t, double freedom)
{
    return 0.5 * beta_regular(freedom / 2, 0.5, freedom / (freedom + t * t));
}

double stats_t_quantile(double p, double freedom)
{
    if (!(p > 0 && p < 1 && freedom > 0))
        return NAN;
    double tail = p < 0.5 ? p : 1 - p, low = 0, high = 1;
    while (t_tail(high, freedom) > tail && high < 1e300)
        high *= 2;
    /* 200 bisections: exact to the last bit, however far out */
    for (int i = 0; i < 200; i++) {
        double middle = low + (high - low) / 2;
        if (t_tail(middle, freedom) > tail)
            low = middle;
        else
            high = middle;
    }
    return p < 0.5 ? -low : low;
}

/* ---- comparisons ---------------------------------------------------------------------------- */
struct paired stats_paired(const double *difference, size_t count)
{
    struct paired paired = {count, stats_mean(difference, count), NAN, NAN};
    if (count < 2)
        return paired;
    double half = stats_t_quantile(0.975, (double)(count - 1)) * stats_sd(difference, count) /
                  sqrt((double)count);
    paired.low = paired.mean - half;
    paired.high = paired.mean + half;
    return paired;
}

/* How many sign patterns of the remaining values give a sum at least `least` away from 0. */
static size_t extreme(const double *difference, size_t count, double sum, double least)
{
    if (!count)
        return fabs(sum) >= least;
    return extreme(difference + 1, count - 1, sum + *difference, least) +
           extreme(difference + 1, count - 1, sum - *difference, least);
}

double stats_sign_flip(const double *difference, size_t count)
{
    if (!count || count > SIGN_FLIP_MOST)
        return NAN;
    double sum = 0, size = 0;
    for (size_t i = 0; i < count; i++) {
        sum += difference[i];
        size += fabs(difference[i]);
    }
    if (isnan(sum))
        return NAN;
    /* equal sums must compare equal although they were rounded differently */
    double least = fabs(sum) - 1e-12 * size;
    return (double)extreme(difference, count, 0, least) / (double)((size_t)1 << count);
}

void stats_holm(double *adjusted, const double *p, size_t count)
{
    size_t family = 0;
    for (size_t i = 0; i < count; i++)
        family += !isnan(p[i]);
    for (size_t i = 0; i < count; i++) {
        size_t smaller = 0;
        for (size_t j = 0; j < count; j++)
            smaller += p[j] < p[i];
        adjusted[i] = isnan(p[i]) ? NAN : fmin(1, (double)(family - smaller) * p[i]);
    }
    /* adjusted p-values keep the order of the original ones */
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < count; j++)
            if (p[j] <= p[i])
                adjusted[i] = fmax(adjusted[i], adjusted[j]);
}
