/* t-distributed stochastic neighbour embedding. Each row's sums are its own: threads change no bit. */
#include "evaluate/embedding.h"

#include "base/memory.h"
#include "base/random.h"

#include <float.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

enum { STEPS = 1000, EARLY = 250, BISECTIONS = 100 };
static const double exaggeration = 12, spread = 1e-4, early_momentum = 0.5, momentum = 0.8,
                    least_rate = 50, least_gain = 0.01;

/* ---- affinities ----------------------------------------------------------------------------- */
/* Row i: squared distances -> p_j|i with this precision, beta = 1 / (2 sigma^2); returns its entropy in
 * nats. `least` of the others is taken off first, which changes nothing but what underflows. */
static double conditional(double *p, const double *squared, int32_t points, int32_t i, double beta,
                          double least)
{
    double sum = 0, weighted = 0;
    for (int32_t j = 0; j < points; j++) {
        double away = squared[j] - least;
        p[j] = j == i ? 0 : exp(-beta * away);
        sum += p[j];
        weighted += p[j] * away;
    }
    for (int32_t j = 0; j < points; j++)
        p[j] /= sum;
    /* cppcheck-suppress invalidFunctionArg ; the nearest adds 1 */
    return log(sum) + beta * weighted / sum;
}

static void squared_distances(double *out, const struct cloud *cloud, int32_t i)
{
    const float *a = cloud->x + (int64_t)i * cloud->features, *b = cloud->x;
    for (int32_t j = 0; j < cloud->points; j++, b += cloud->features) {
        out[j] = 0;
        for (int32_t k = 0; k < cloud->features; k++) {
            double apart = (double)a[k] - (double)b[k];
            out[j] += apart * apart;
        }
    }
}

/* Bisection for the precision at which the entropy is log(perplexity): the more precise, the less. */
static void row_of(double *p, double *squared, const struct cloud *cloud, int32_t i,
                   double perplexity)
{
    double low = 0, high = INFINITY, beta = 1, least = INFINITY, mean = 0;
    squared_distances(squared, cloud, i);
    for (int32_t j = 0; j < cloud->points; j++) {
        least = j != i ? fmin(least, squared[j]) : least;
        mean += squared[j] / (cloud->points - 1);
    }
    if (mean > 0)
        beta = 1 / mean;
    for (int step = 0; step < BISECTIONS; step++) {
        double entropy = conditional(p, squared, cloud->points, i, beta, least);
        if (fabs(entropy - log(perplexity)) < 1e-10)
            break;
        if (entropy > log(perplexity))
            low = beta;
        else
            high = beta;
        beta = isinf(high) ? 2 * beta : (low + high) / 2;
    }
}

void tsne_affinities(double *p, const struct cloud *cloud, double perplexity, int threads)
{
    const int64_t n = cloud->points;
#pragma omp parallel num_threads(threads)
    {
        double *squared = xcalloc((size_t)n, sizeof *squared);
#pragma omp for schedule(static)
        for (int32_t i = 0; i < cloud->points; i++)
            row_of(p + i * n, squared, cloud, i, perplexity);
        free(squared);
    }
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < i; j++)
            p[i * n + j] = p[j * n + i] = (p[i * n + j] + p[j * n + i]) / (2 * (double)n);
}

/* ---- gradient ------------------------------------------------------------------------------- */
/* 1 / (1 + |y_i - y_j|^2), and how far apart they are. */
static double nearness(double apart[2], const double *y, int64_t i, int64_t j)
{
    apart[0] = y[2 * i] - y[2 * j];
    apart[1] = y[2 * i + 1] - y[2 * j + 1];
    return 1 / (1 + apart[0] * apart[0] + apart[1] * apart[1]);
}

/* What pulls and what pushes a point, the latter before its division by the sum of all nearness. */
struct force {
    double pull[2], push[2], sum;
};

static struct force force_on(const double *p, const double *y, int64_t points, int64_t i)
{
    struct force out = {.sum = 0};
    for (int64_t j = 0; j < points; j++) {
        double apart[2], near = nearness(apart, y, i, j);
        double pull = p[i * points + j] * near, push = near * near;
        out.sum += j != i ? near : 0;
        for (int k = 0; k < 2; k++) {
            out.pull[k] += pull * apart[k];
            out.push[k] += push * apart[k];
        }
    }
    return out;
}

void tsne_gradient(double *gradient, const double *p, const double *y, int32_t points,
                   double exaggerated, int threads)
{
    struct force *force = xcalloc((size_t)points, sizeof *force);
    double sum = 0;
#pragma omp parallel for num_threads(threads) schedule(static)
    for (int32_t i = 0; i < points; i++)
        force[i] = force_on(p, y, points, i);
    for (int32_t i = 0; i < points; i++)
        sum += force[i].sum;
    for (int32_t i = 0; i < points; i++)
        for (int k = 0; k < 2; k++)
            gradient[2 * i + k] = 4 * (exaggerated * force[i].pull[k] - force[i].push[k] / sum);
    free(force);
}

double tsne_divergence(const double *p, const double *y, int32_t points)
{
    double sum = 0, divergence = 0, apart[2];
    for (int32_t i = 0; i < points; i++)
        for (int32_t j = 0; j < points; j++)
            sum += i != j ? nearness(apart, y, i, j) : 0;
    for (int32_t i = 0; i < points; i++)
        for (int32_t j = 0; j < points; j++) {
            double is = p[(int64_t)i * points + j];
            if (i != j && is > 0)
                divergence += is * log(is * sum / nearness(apart, y, i, j));
        }
    return divergence;
}

/* ---- descent -------------------------------------------------------------------------------- */
static void centre(double *y, int32_t points)
{
    for (int k = 0; k < 2; k++) {
        double sum = 0;
        for (int32_t i = 0; i < points; i++)
            sum += y[2 * i + k];
        for (int32_t i = 0; i < points; i++)
            y[2 * i + k] -= sum / points;
    }
}

/* Gains (Jacobs 1988): more where the direction stays, less where it turns. */
static void step(double *y, double *velocity, double *gain, const double *gradient, int32_t points,
                 double keep, double rate)
{
    for (int32_t i = 0; i < 2 * points; i++) {
        bool turns = (gradient[i] > 0) == (velocity[i] > 0);
        gain[i] = fmax(turns ? gain[i] * 0.8 : gain[i] + 0.2, least_gain);
        velocity[i] = keep * velocity[i] - rate * gain[i] * gradient[i];
        y[i] += velocity[i];
    }
}

double tsne(double *y, const struct cloud *cloud, double perplexity, uint64_t seed, int threads)
{
    const int32_t points = cloud->points;
    const double rate = fmax(points / exaggeration / 4, least_rate);
    const size_t n = (size_t)points, values = 2 * n;
    double *p = xcalloc(n * n, sizeof *p), *gradient = xcalloc(values, sizeof *gradient);
    double *velocity = xcalloc(values, sizeof *velocity), *gain = xcalloc(values, sizeof *gain);
    struct stream stream = stream_new(seed, "t-sne");
    for (size_t i = 0; i < values; i++) {
        y[i] = spread * stream_normal(&stream);
        gain[i] = 1;
    }
    tsne_affinities(p, cloud, fmin(perplexity, (points - 1) / 3.0), threads);
    for (int k = 0; k < STEPS; k++) {
        bool early = k < EARLY;
        for (size_t i = 0; k == EARLY && i < values; i++) {
            velocity[i] = 0;
            gain[i] = 1;
        }
        tsne_gradient(gradient, p, y, points, early ? exaggeration : 1, threads);
        step(y, velocity, gain, gradient, points, early ? early_momentum : momentum, rate);
    }
    centre(y, points);
    double divergence = tsne_divergence(p, y, points);
    free(p);
    free(gradient);
    free(velocity);
    free(gain);
    return divergence;
}
