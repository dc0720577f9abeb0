/* Multinomial logistic regression: a strictly convex loss but for a shift of all biases, so that any
 * start ends in the same place. */
#include "evaluate/embedding.h"

#include "base/memory.h"
#include "base/stop.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { PAIRS = 10, MOST_STEPS = 2000, MOST_TRIES = 40 };
static const double flat = 1e-6; /* the greatest slope, a point */

struct probe {
    int32_t points, features, classes;
    double *x; /* [points,features]: standardised */
    const int32_t *label;
    double *logits; /* [classes]: room */
    double *mean, *scale;
};

static void standardise(double *out, const struct probe *probe, const struct cloud *cloud)
{
    for (int64_t i = 0; i < cloud->points; i++)
        for (int32_t j = 0; j < cloud->features; j++, out++)
            *out = ((double)cloud->x[i * cloud->features + j] - probe->mean[j]) * probe->scale[j];
}

/* A feature that is constant says nothing. */
static void find_scale(struct probe *probe, const struct cloud *cloud)
{
    for (int32_t j = 0; j < cloud->features; j++) {
        double sum = 0, squares = 0;
        for (int64_t i = 0; i < cloud->points; i++)
            sum += (double)cloud->x[i * cloud->features + j];
        probe->mean[j] = sum / cloud->points;
        for (int64_t i = 0; i < cloud->points; i++) {
            double apart = (double)cloud->x[i * cloud->features + j] - probe->mean[j];
            squares += apart * apart;
        }
        probe->scale[j] = squares > 0 ? 1 / sqrt(squares / cloud->points) : 0;
    }
}

/* weights: [classes, features + 1], the bias last. */
static void logits_of(double *out, const struct probe *probe, const double *weights,
                      const double *x)
{
    for (int32_t k = 0; k < probe->classes; k++, weights += probe->features + 1) {
        out[k] = weights[probe->features];
        for (int32_t j = 0; j < probe->features; j++)
            out[k] += weights[j] * x[j];
    }
}

/* The loss, a point, and its slope. */
static double loss_at(double *slope, const struct probe *probe, const double *weights)
{
    const int32_t row = probe->features + 1;
    double loss = 0;
    memset(slope, 0, (size_t)(probe->classes * row) * sizeof *slope);
    for (int64_t i = 0; i < probe->points; i++) {
        const double *x = probe->x + i * probe->features;
        double *logits = probe->logits, greatest = -INFINITY, sum = 0;
        logits_of(logits, probe, weights, x);
        for (int32_t k = 0; k < probe->classes; k++)
            greatest = fmax(greatest, logits[k]);
        loss -= logits[probe->label[i]] - greatest;
        for (int32_t k = 0; k < probe->classes; k++)
            sum += logits[k] = exp(logits[k] - greatest);
        /* cppcheck-suppress invalidFunctionArg ; the greatest adds 1 */
        loss += log(sum);
        for (int32_t k = 0; k < probe->classes; k++) {
            double *to = slope + k * row, off = logits[k] / sum - (k == probe->label[i]);
            for (int32_t j = 0; j < probe->features; j++)
                to[j] += off * x[j];
            to[probe->features] += off;
        }
    }
    for (int32_t k = 0; k < probe->classes; k++)
        for (int32_t j = 0; j < row; j++) {
            int32_t at = k * row + j;
            double weight = j < probe->features ? weights[at] : 0;
            loss += weight * weight / 2;
            slope[at] = (slope[at] + weight) / probe->points;
        }
    return loss / probe->points;
}

/* ---- L-BFGS --------------------------------------------------------------------------------- */
struct descent {
    size_t size;
    double *at, *slope, *next, *next_slope, *direction;
    double *step[PAIRS], *turn[PAIRS]; /* what was gone, and what the slope changed by */
    int pairs;                         /* so far, the last at (pairs - 1) % PAIRS */
};

static double dot(const double *a, const double *b, size_t size)
{
    double sum = 0;
    for (size_t i = 0; i < size; i++)
        sum += a[i] * b[i];
    return sum;
}

static void add(double *to, double factor, const double *from, size_t size)
{
    for (size_t i = 0; i < size; i++)
        to[i] += factor * from[i];
}

/* Nocedal's two loops. */
static void find_direction(struct descent *d)
{
    double share[PAIRS] = {0};
    int first = d->pairs > PAIRS ? d->pairs - PAIRS : 0;
    memcpy(d->direction, d->slope, d->size * sizeof *d->direction);
    for (int i = d->pairs - 1; i >= first; i--) {
        const double *step = d->step[i % PAIRS], *turn = d->turn[i % PAIRS];
        share[i % PAIRS] = dot(step, d->direction, d->size) / dot(step, turn, d->size);
        add(d->direction, -share[i % PAIRS], turn, d->size);
    }
    if (d->pairs) {
        const double *step = d->step[(d->pairs - 1) % PAIRS];
        const double *turn = d->turn[(d->pairs - 1) % PAIRS];
        double scale = dot(step, turn, d->size) / dot(turn, turn, d->size);
        for (size_t i = 0; i < d->size; i++)
            d->direction[i] *= scale;
    }
    for (int i = first; i < d->pairs; i++) {
        const double *step = d->step[i % PAIRS], *turn = d->turn[i % PAIRS];
        double back = dot(turn, d->direction, d->size) / dot(step, turn, d->size);
        add(d->direction, share[i % PAIRS] - back, step, d->size);
    }
}

/* Halves the step until the loss falls by a part of what the slope promises (Armijo); false: it does
 * not. A pair without curvature, which rounding can make, is not kept. */
static bool go(struct descent *d, double *loss, const struct probe *probe)
{
    double promise = -dot(d->slope, d->direction, d->size), length = 1, there = INFINITY;
    for (int tries = 0; tries < MOST_TRIES; tries++, length /= 2) {
        memcpy(d->next, d->at, d->size * sizeof *d->next);
        add(d->next, -length, d->direction, d->size);
        there = loss_at(d->next_slope, probe, d->next);
        if (there <= *loss + 1e-4 * length * promise)
            break;
    }
    if (!(there < *loss))
        return false;
    double *step = d->step[d->pairs % PAIRS], *turn = d->turn[d->pairs % PAIRS];
    for (size_t i = 0; i < d->size; i++) {
        step[i] = d->next[i] - d->at[i];
        turn[i] = d->next_slope[i] - d->slope[i];
    }
    d->pairs += dot(step, turn, d->size) > 0;
    memcpy(d->at, d->next, d->size * sizeof *d->at);
    memcpy(d->slope, d->next_slope, d->size * sizeof *d->slope);
    *loss = there;
    return true;
}

static bool is_flat(const struct descent *d)
{
    for (size_t i = 0; i < d->size; i++)
        if (!(fabs(d->slope[i]) <= flat))
            return false;
    return true;
}

static int fit(struct descent *d, const struct probe *probe, struct err *err)
{
    double loss = loss_at(d->slope, probe, d->at);
    for (int k = 0; k < MOST_STEPS; k++) {
        TRY(stop_obey(err));
        if (is_flat(d))
            return 0;
        find_direction(d);
        if (!go(d, &loss, probe))
            break;
    }
    return is_flat(d) ? 0 : fail(err, "the linear probe did not converge");
}

int linear_probe(int32_t *predicted, const struct cloud *train, const int32_t *label,
                 int32_t classes, const struct cloud *test, struct err *err)
{
    struct arena arena = {0};
    const size_t features = (size_t)train->features;
    struct probe probe = {train->points, train->features, classes, .label = label};
    struct descent d = {.size = (features + 1) * (size_t)classes};
    double **const rooms[] = {&d.at, &d.slope, &d.next, &d.next_slope, &d.direction};
    for (size_t i = 0; i < sizeof rooms / sizeof *rooms; i++)
        *rooms[i] = arena_alloc(&arena, d.size * sizeof(double));
    for (int i = 0; i < PAIRS; i++) {
        d.step[i] = arena_alloc(&arena, d.size * sizeof(double));
        d.turn[i] = arena_alloc(&arena, d.size * sizeof(double));
    }
    const size_t most = (size_t)(train->points > test->points ? train->points : test->points);
    probe.x = arena_alloc(&arena, most * features * sizeof *probe.x);
    probe.logits = arena_alloc(&arena, (size_t)classes * sizeof *probe.logits);
    probe.mean = arena_alloc(&arena, features * sizeof *probe.mean);
    probe.scale = arena_alloc(&arena, features * sizeof *probe.scale);
    find_scale(&probe, train);
    standardise(probe.x, &probe, train);
    int status = fit(&d, &probe, err);
    standardise(probe.x, &probe, test);
    for (int64_t i = 0; i < test->points && !status; i++) {
        logits_of(probe.logits, &probe, d.at, probe.x + i * test->features);
        predicted[i] = 0;
        for (int32_t k = 1; k < classes; k++)
            if (probe.logits[k] > probe.logits[predicted[i]])
                predicted[i] = k;
    }
    arena_free(&arena);
    return status;
}
