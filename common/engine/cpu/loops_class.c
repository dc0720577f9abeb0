/* Rows of classes: softmax, cross-entropy, embedding. */
#include "engine/cpu/loops.h"

#include <string.h>

/* Rows are taken GROUP at a time, class by class with the rows in the lanes: classes are few. With
 * many classes the lanes are the classes of one row. */
enum { GROUP = 16, MANY = 15 };

static void softmax_row(const float *x, float *y, int64_t c)
{
    float top = x[0], sum = 0;
#pragma omp simd reduction(max : top)
    for (int64_t k = 0; k < c; k++)
        top = x[k] > top ? x[k] : top;
#pragma omp simd reduction(+ : sum)
    for (int64_t k = 0; k < c; k++) {
        float e = exp1(x[k] - top);
        y[k] = e;
        sum += e;
    }
    float scale = 1 / sum;
#pragma omp simd
    for (int64_t k = 0; k < c; k++)
        y[k] *= scale;
}

static void softmax_group(const float *x, float *y, int64_t rows, int64_t c)
{
    float top[GROUP], sum[GROUP] = {0}, e[GROUP * MANY];
    for (int64_t r = 0; r < rows; r++)
        top[r] = x[r * c];
    for (int64_t k = 1; k < c; k++)
#pragma omp simd
        for (int64_t r = 0; r < rows; r++)
            top[r] = x[r * c + k] > top[r] ? x[r * c + k] : top[r];
    for (int64_t k = 0; k < c; k++)
#pragma omp simd
        for (int64_t r = 0; r < rows; r++) {
            e[k * GROUP + r] = exp1(x[r * c + k] - top[r]);
            sum[r] += e[k * GROUP + r];
        }
    for (int64_t k = 0; k < c; k++)
#pragma omp simd
        for (int64_t r = 0; r < rows; r++)
            y[r * c + k] = e[k * GROUP + r] / sum[r];
}

/* Items are groups of rows. */
RANGE(softmax_range)
{
    int64_t c = loop->desc.in[0].c;
    for (int64_t item = begin; item < end; item++) {
        int64_t first = item * GROUP, n = min64(GROUP, loop->rows - first);
        const float *x = (const float *)arg[0] + first * c;
        float *y = (float *)arg[1] + first * c;
        if (c <= MANY)
            softmax_group(x, y, n, c);
        else
            for (int64_t r = 0; r < n; r++)
                softmax_row(x + r * c, y + r * c, c);
    }
}

/* A loop whose items are groups of the rows of input 0. */
static int group_loop(struct kernel *out, const struct kernel_desc *desc, int rows_input,
                      range_body *body)
{
    struct loop *loop = cpu_loop_make(out, desc);
    loop->rows = rows_of(desc->in[rows_input]);
    cpu_loop_pass(loop, body, (loop->rows + GROUP - 1) / GROUP);
    return 0;
}

MAKER(softmax)
{
    return group_loop(out, desc, 0, softmax_range);
}

static void softmax_grad_row(const float *dy, const float *y, float *dx, int64_t c)
{
    float sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int64_t k = 0; k < c; k++)
        sum = fma1(dy[k], y[k], sum);
#pragma omp simd
    for (int64_t k = 0; k < c; k++)
        dx[k] = y[k] * (dy[k] - sum);
}

static void softmax_grad_group(const float *dy, const float *y, float *dx, int64_t rows, int64_t c)
{
    float sum[GROUP] = {0};
    for (int64_t k = 0; k < c; k++)
#pragma omp simd
        for (int64_t r = 0; r < rows; r++)
            sum[r] = fma1(dy[r * c + k], y[r * c + k], sum[r]);
    for (int64_t k = 0; k < c; k++)
#pragma omp simd
        for (int64_t r = 0; r < rows; r++)
            dx[r * c + k] = y[r * c + k] * (dy[r * c + k] - sum[r]);
}

RANGE(softmax_grad_range)
{
    int64_t c = loop->desc.in[0].c;
    for (int64_t item = begin; item < end; item++) {
        int64_t first = item * GROUP, n = min64(GROUP, loop->rows - first);
        const float *dy = (const float *)arg[0] + first * c, *y = (const float *)arg[1] + first * c;
        float *dx = (float *)arg[2] + first * c;
        if (c <= MANY)
            softmax_grad_group(dy, y, dx, n, c);
        else
            for (int64_t r = 0; r < n; r++)
                softmax_grad_row(dy + r * c, y + r * c, dx + r * c, c);
    }
}

MAKER(softmax_grad)
{
    return group_loop(out, desc, 0, softmax_grad_range);
}

/* ---- cross-entropy -------------------------------------------------------------------------- */

/* Per row: the largest logit, and log sum exp about it. */
static void row_logs(const float *x, int64_t rows, int64_t c, float *top, float *log_sum)
{
    for (int64_t r = 0; r < rows; r++) {
        top[r] = x[r * c];
        log_sum[r] = 0;
    }
    if (c <= MANY) {
        for (int64_t k = 1; k < c; k++)
#pragma omp simd
            for (int64_t r = 0; r < rows; r++)
                top[r] = x[r * c + k] > top[r] ? x[r * c + k] : top[r];
        for (int64_t k = 0; k < c; k++)
#pragma omp simd
            for (int64_t r = 0; r < rows; r++)
                log_sum[r] += exp1(x[r * c + k] - top[r]);
    } else {
        for (int64_t r = 0; r < rows; r++) {
            const float *row = x + r * c;
            float most = top[r], sum = 0;
#pragma omp simd reduction(max : most)
            for (int64_t k = 0; k < c; k++)
                most = row[k] > most ? row[k] : most;
#pragma omp simd reduction(+ : sum)
            for (int64_t k = 0; k < c; k++)
                sum += exp1(row[k] - most);
            top[r] = most;
            log_sum[r] = sum;
        }
    }
#pragma omp simd
    for (int64_t r = 0; r < rows; r++)
        log_sum[r] = log1(log_sum[r]);
}

/* The weight of each class in the target: (1 - p) at the label, p / c everywhere, times its weight.
 */
struct target {
    const float *weight;
    float hit, all;
    int64_t c;
};

static struct target target_of(const struct loop *loop, const void *weight)
{
    int64_t c = loop->desc.out[0].c > 1 ? loop->desc.out[0].c : loop->desc.in[0].c;
    return (struct target){weight, 1 - loop->attr.p, loop->attr.p / (float)c, c};
}

static float weight_of(const struct target *target, int64_t k)
{
    return target->weight ? target->weight[k] : 1;
}

/* -sum_k target_k (x_k - top - log_sum) */
static float row_loss(const struct target *target, const float *x, int32_t label, float top,
                      float log_sum)
{
    float loss = target->hit * weight_of(target, label) * (log_sum - (x[label] - top));
    if (target->all > 0) {
        float sum = 0;
        for (int64_t k = 0; k < target->c; k++)
            sum += weight_of(target, k) * (log_sum - (x[k] - top));
        loss += target->all * sum;
    }
    return loss;
}

RANGE(cross_entropy_range)
{
    int64_t c = loop->desc.in[0].c;
    struct target target = target_of(loop, arg[2]);
    const int32_t *label = arg[1];
    float *loss = arg[3], top[GROUP], log_sum[GROUP];
    for (int64_t item = begin; item < end; item++) {
        int64_t first = item * GROUP, n = min64(GROUP, loop->rows - first);
        const float *x = (const float *)arg[0] + first * c;
        row_logs(x, n, c, top, log_sum);
        for (int64_t r = 0; r < n; r++) {
            int32_t at = label[first + r];
            if (at == loop->attr.ignore)
                loss[first + r] = 0;
            else if (at < 0 || at >= c)
                loss[first + r] = NAN;
            else
                loss[first + r] = row_loss(&target, x + r * c, at, top[r], log_sum[r]);
        }
    }
}

MAKER(cross_entropy)
{
    return group_loop(out, desc, 0, cross_entropy_range);
}

/* d loss / d x_k = dloss (softmax_k * (sum of the target) - target_k), for a group of rows. scale
 * is dloss times the sum of the row's target, base what log softmax_k is x_k less of. */
static void softmax_part(const float *x, float *dx, int64_t rows, int64_t c, const float *scale,
                         const float *base)
{
    if (c <= MANY)
        for (int64_t k = 0; k < c; k++)
#pragma omp simd
            for (int64_t r = 0; r < rows; r++)
                dx[r * c + k] = scale[r] * exp1(x[r * c + k] - base[r]);
    else
        for (int64_t r = 0; r < rows; r++)
#pragma omp simd
            for (int64_t k = 0; k < c; k++)
                dx[r * c + k] = scale[r] * exp1(x[r * c + k] - base[r]);
}

static void target_part(const struct target *target, float *dx, int32_t label, float dloss)
{
    if (target->all > 0)
        for (int64_t k = 0; k < target->c; k++)
            dx[k] -= dloss * target->all * weight_of(target, k);
    dx[label] -= dloss * target->hit * weight_of(target, label);
}

RANGE(cross_entropy_grad_range)
{
    int64_t c = loop->desc.in[1].c;
    struct target target = target_of(loop, arg[3]);
    float top[GROUP], base[GROUP], scale[GROUP], total = 0;
    for (int64_t k = 0; k < c; k++)
        total += weight_of(&target, k);
    for (int64_t item = begin; item < end; item++) {
        int64_t first = item * GROUP, n = min64(GROUP, loop->rows - first);
        const float *x = (const float *)arg[1] + first * c, *dloss = (const float *)arg[0] + first;
        const int32_t *label = (const int32_t *)arg[2] + first;
        float *dx = (float *)arg[4] + first * c;
        row_logs(x, n, c, top, base);
        for (int64_t r = 0; r < n; r++) {
            bool known = label[r] >= 0 && label[r] < c && label[r] != loop->attr.ignore;
            float bad = label[r] == loop->attr.ignore ? 0 : NAN;
            base[r] += top[r];
            scale[r] =
                known ? dloss[r] * (target.hit * weight_of(&target, label[r]) + target.all * total)
                      : bad;
        }
        softmax_part(x, dx, n, c, scale, base);
        for (int64_t r = 0; r < n; r++)
            if (label[r] == loop->attr.ignore)
                memset(dx + r * c, 0, (size_t)c * sizeof *dx);
            else if (label[r] >= 0 && label[r] < c)
                target_part(&target, dx + r * c, label[r], dloss[r]);
    }
}

MAKER(cross_entropy_grad)
{
    return group_loop(out, desc, 1, cross_entropy_grad_range);
}

/* ---- embedding ------------------------------------------------------------------------------ */

RANGE(embedding_range)
{
    const float *table = arg[0];
    const int32_t *label = arg[1];
    int64_t c = loop->desc.in[0].c;
    float *y = arg[2];
    for (int64_t i = begin; i < end; i++) {
        bool known = label[i] >= 0 && label[i] < loop->desc.in[0].n;
        for (int64_t j = 0; j < c; j++)
            y[i * c + j] = known ? table[label[i] * c + j] : NAN;
    }
}

MAKER(embedding)
{
    return one_pass(out, desc, embedding_range, desc->out[0].n);
}

/* Items are rows of the table, so that each has one writer. */
RANGE(embedding_grad_range)
{
    const float *dy = arg[0];
    const int32_t *label = arg[1];
    int64_t c = loop->desc.in[0].c, cases = loop->desc.in[0].n;
    float *dtable = arg[2];
    memset(dtable + begin * c, 0, (size_t)((end - begin) * c) * sizeof *dtable);
    for (int64_t i = 0; i < cases; i++)
        if (label[i] >= begin && label[i] < end)
#pragma omp simd
            for (int64_t j = 0; j < c; j++)
                dtable[label[i] * c + j] += dy[i * c + j];
}

MAKER(embedding_grad)
{
    return one_pass(out, desc, embedding_grad_range, desc->out[0].n);
}

/* c is a constant where this is inlined for few channels, so that rows go side by side; and no
 * branch is asked for, so that they can. */
MATH_INLINE void one_hot_rows(const struct loop *loop, const int32_t *label, float *y, int64_t rows,
                              int32_t c)
{
    int32_t first = loop->attr.begin, ignore = loop->attr.ignore, classes = first + c;
#pragma omp simd
    for (int64_t i = 0; i < rows; i++) {
        int32_t at = label[i], hot = at == ignore ? -1 : at - first;
        bool known = (at == ignore) | ((at >= 0) & (at < classes));
        float rest = known ? 0 : NAN;
        for (int32_t j = 0; j < c; j++)
            y[i * c + j] = rest + (float)(hot == j);
    }
}

RANGE(one_hot_range)
{
    int32_t c = loop->desc.out[0].c;
    const int32_t *label = (const int32_t *)arg[0] + begin;
    float *y = (float *)arg[1] + begin * c;
    if (c == 1)
        one_hot_rows(loop, label, y, end - begin, 1);
    else if (c == 2)
        one_hot_rows(loop, label, y, end - begin, 2);
    else if (c == 3)
        one_hot_rows(loop, label, y, end - begin, 3);
    else if (c == 4)
        one_hot_rows(loop, label, y, end - begin, 4);
    else
        one_hot_rows(loop, label, y, end - begin, c);
}

MAKER(one_hot)
{
    return one_pass(out, desc, one_hot_range, shape_count(desc->in[0]));
}
