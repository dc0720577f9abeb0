#include "oracle/kernels.h"

/* log softmax of one row, at class k */
static double log_softmax(const double *x, int32_t classes, int32_t k)
{
    double most = x[0], sum = 0;
    for (int32_t c = 1; c < classes; c++)
        most = fmax(most, x[c]);
    for (int32_t c = 0; c < classes; c++)
        sum += exp(x[c] - most);
    return x[k] - most - log(sum);
}

REFERENCE(softmax)
{
    const double *x = arg[0];
    double *y = arg[1];
    int32_t classes = desc->in[0].c;
    for (int64_t row = 0; row < shape_count(desc->in[0]); row += classes) {
        double most = x[row], sum = 0;
        for (int32_t c = 1; c < classes; c++)
            most = fmax(most, x[row + c]);
        for (int32_t c = 0; c < classes; c++)
            sum += y[row + c] = exp(x[row + c] - most);
        for (int32_t c = 0; c < classes; c++)
            y[row + c] /= sum;
    }
}

REFERENCE(softmax_grad)
{
    const double *dy = arg[0], *y = arg[1];
    double *dx = arg[2];
    int32_t classes = desc->in[0].c;
    for (int64_t row = 0; row < shape_count(desc->in[0]); row += classes) {
        double dot = 0;
        for (int32_t c = 0; c < classes; c++)
            dot += dy[row + c] * y[row + c];
        for (int32_t c = 0; c < classes; c++)
            dx[row + c] = y[row + c] * (dy[row + c] - dot);
    }
}

/* weight of class c times its share of the target */
static double target(const struct attr *attr, const double *weight, int32_t classes, int32_t label,
                     int32_t c)
{
    double smoothing = (double)attr->p;
    double share = smoothing / classes + (c == label ? 1 - smoothing : 0);
    return (weight ? weight[c] : 1) * share;
}

REFERENCE(cross_entropy)
{
    const double *x = arg[0], *weight = arg[2];
    const int32_t *label = arg[1];
    double *loss = arg[3];
    int32_t classes = desc->in[0].c;
    for (int64_t i = 0; i < shape_count(desc->out[0]); i++) {
        loss[i] = label[i] == desc->attr->ignore || (label[i] >= 0 && label[i] < classes) ? 0 : NAN;
        for (int32_t c = 0; label[i] != desc->attr->ignore && c < classes; c++)
            loss[i] -= target(desc->attr, weight, classes, label[i], c) *
                       log_softmax(x + i * classes, classes, c);
    }
}

REFERENCE(cross_entropy_grad)
{
    const double *dloss = arg[0], *x = arg[1], *weight = arg[3];
    const int32_t *label = arg[2];
    int32_t classes = desc->in[1].c;
    for (int64_t i = 0; i < shape_count(desc->in[0]); i++) {
        double *dx = (double *)arg[4] + i * classes, sum = 0;
        bool ignored = label[i] == desc->attr->ignore;
        bool valid = label[i] >= 0 && label[i] < classes;
        for (int32_t c = 0; c < classes; c++)
            sum += target(desc->attr, weight, classes, label[i], c);
        for (int32_t c = 0; c < classes; c++)
            dx[c] = ignored  ? 0
                    : !valid ? NAN
                             : dloss[i] * (sum * exp(log_softmax(x + i * classes, classes, c)) -
                                           target(desc->attr, weight, classes, label[i], c));
    }
}

REFERENCE(embedding)
{
    const double *table = arg[0];
    const int32_t *label = arg[1];
    double *y = arg[2];
    struct shape s = desc->in[0];
    for (int64_t i = 0; i < shape_count(desc->out[0]); i++) {
        int32_t k = label[i / s.c];
        y[i] = k >= 0 && k < s.n ? table[(int64_t)k * s.c + i % s.c] : NAN;
    }
}

REFERENCE(one_hot)
{
    const int32_t *label = arg[0];
    double *y = arg[1];
    struct shape s = desc->out[0];
    for (int64_t i = 0; i < shape_count(s); i++) {
        int64_t at = label[i / s.c], channel = desc->attr->begin + i % s.c;
        bool ignored = at == desc->attr->ignore, legal = at >= 0 && at < desc->attr->begin + s.c;
        y[i] = ignored ? 0 : !legal ? NAN : at == channel ? 1 : 0;
    }
}

REFERENCE(embedding_grad)
{
    const double *dy = arg[0];
    const int32_t *label = arg[1];
    double *dtable = arg[2];
    struct shape s = desc->out[0];
    for (int64_t i = 0; i < shape_count(s); i++)
        dtable[i] = 0;
    for (int64_t i = 0; i < shape_count(desc->in[0]); i++) {
        int32_t k = label[i / s.c];
        if (k >= 0 && k < s.n)
            dtable[(int64_t)k * s.c + i % s.c] += dy[i];
    }
}
