#include "oracle/kernels.h"

#include <stdlib.h>

/* Elements with the same statistic: a channel of the batch, or a group of a case. */
static int64_t statistic(struct shape x, int32_t groups, int64_t element)
{
    struct index i = index_of(x, element);
    return groups ? (int64_t)i.n * groups + i.c / (x.c / groups) : i.c;
}

REFERENCE(norm)
{
    const double *x = arg[0], *gamma = arg[1], *beta = arg[2];
    struct shape s = desc->in[0];
    int32_t groups = desc->attr->groups;
    int64_t count = shape_count(s), statistics = shape_count(desc->out[1]);
    double *mean = xcalloc((size_t)statistics, sizeof *mean);
    double *rstd = xcalloc((size_t)statistics, sizeof *rstd);
    double share = (double)statistics / (double)count;
    for (int64_t i = 0; i < count; i++)
        mean[statistic(s, groups, i)] += x[i] * share;
    for (int64_t i = 0; i < count; i++) {
        int64_t k = statistic(s, groups, i);
        rstd[k] += (x[i] - mean[k]) * (x[i] - mean[k]) * share;
    }
    for (int64_t k = 0; k < statistics; k++) {
        rstd[k] =
            arg[4] ? ((const double *)arg[4])[k] : 1 / sqrt(rstd[k] + (double)desc->attr->eps);
        mean[k] = arg[3] ? ((const double *)arg[3])[k] : mean[k];
    }
    for (int64_t i = 0; arg[5] && i < count; i++) {
        int64_t k = statistic(s, groups, i), c = i % s.c;
        double pre = gamma[c] * (x[i] - mean[k]) * rstd[k] + beta[c];
        ((double *)arg[5])[i] = reference_act(desc->attr->act, pre);
    }
    for (int64_t k = 0; k < statistics; k++) {
        if (arg[6])
            ((double *)arg[6])[k] = mean[k];
        if (arg[7])
            ((double *)arg[7])[k] = rstd[k];
    }
    free(mean);
    free(rstd);
}

REFERENCE(norm_grad)
{
    const double *dy = arg[0], *x = arg[1], *gamma = arg[2], *beta = arg[3];
    const double *mean = arg[4], *rstd = arg[5];
    struct shape s = desc->in[1];
    int32_t groups = desc->attr->groups;
    int64_t count = shape_count(s), statistics = shape_count(desc->in[4]);
    double *dgamma = xcalloc((size_t)s.c, sizeof *dgamma);
    double *dbeta = xcalloc((size_t)s.c, sizeof *dbeta);
    double *dxhat = xcalloc((size_t)count, sizeof *dxhat);
    double *sum = xcalloc((size_t)statistics, sizeof *sum);
    double *dot = xcalloc((size_t)statistics, sizeof *dot);
    double share = desc->attr->fixed ? 0 : (double)statistics / (double)count;
    for (int64_t i = 0; i < count; i++) {
        int64_t k = statistic(s, groups, i), c = i % s.c;
        double xhat = (x[i] - mean[k]) * rstd[k];
        double pre = gamma[c] * xhat + beta[c], y = reference_act(desc->attr->act, pre);
        double dpre = dy[i] * reference_act_slope(desc->attr->act, pre, y);
        dgamma[c] += dpre * xhat;
        dbeta[c] += dpre;
        dxhat[i] = dpre * gamma[c];
        sum[k] += dxhat[i] * share;
        dot[k] += dxhat[i] * xhat * share;
    }
    for (int64_t i = 0; arg[6] && i < count; i++) {
        int64_t k = statistic(s, groups, i);
        double xhat = (x[i] - mean[k]) * rstd[k];
        ((double *)arg[6])[i] = rstd[k] * (dxhat[i] - sum[k] - xhat * dot[k]);
    }
    for (int64_t c = 0; c < s.c; c++) {
        if (arg[7])
            ((double *)arg[7])[c] = dgamma[c];
        if (arg[8])
            ((double *)arg[8])[c] = dbeta[c];
    }
    free(dgamma);
    free(dbeta);
    free(dxhat);
    free(sum);
    free(dot);
}
