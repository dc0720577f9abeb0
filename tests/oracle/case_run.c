#include "oracle/cases.h"

#include "base/random.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- building ------------------------------------------------------------------------------- */

static enum dtype type_of(enum content content)
{
    switch (content) {
    case LABEL:
    case BAD_LABEL:
    case CLOCK:
        return I32;
    case WINNER:
        return U8;
    default:
        return F32;
    }
}

static val make_operand(struct case_program *program, int index, struct case_form form)
{
    const struct operand *operand = &program->test->in[index];
    if (operand->content == ABSENT)
        return 0;
    char name[16];
    snprintf(name, sizeof name, "in%d", index);
    enum dtype type = type_of(operand->content);
    if (operand->stored || (form.trained && !operand->fixed && type == F32))
        return g_param(program->graph, "x", name, operand->shape, (struct initial){.scale = 0});
    return g_input(program->graph, name, type, operand->shape);
}

/* Is this input, of a HALF op, an activation? */
static bool is_activation(enum op op, int index)
{
    switch (op) {
    case OP_conv:
    case OP_conv_data:
    case OP_norm:
        return index < 1;
    case OP_norm_grad:
        return index < 2;
    default:
        return true;
    }
}

static val cast_operand(struct case_program *program, int index, val x)
{
    if (!x || graph_value(program->graph, x)->dtype != F32 || !is_activation(program->op, index))
        return x;
    return g_cast(program->graph, x, BF16);
}

void case_build(struct case_program *program, enum op op, const struct op_case *test,
                struct case_form form)
{
    const struct op_info *info = op_info(op);
    *program = (struct case_program){.op = op, .test = test, .params = params_new()};
    program->graph = graph_new(program->params, MODE_TRAIN, ARRAY_PARAM);
    val in[MAX_IN];
    for (int i = 0; i < info->nin; i++)
        in[i] = program->operand[i] = make_operand(program, i, form);
    for (int i = 0; form.half && i < info->nin; i++)
        in[i] = cast_operand(program, i, in[i]);
    if (form.in_place)
        in[0] = g_affine(program->graph, in[0], 1, 0);
    g_append(program->graph, op, in, &test->attr, program->out);
    for (int i = 0; i < info->nout; i++)
        if (test->unread & 1u << i)
            program->out[i] = 0;
        else
            g_output(program->graph, "out", program->out[i]);
}

void case_free(struct case_program *program)
{
    plan_free(program->plan);
    graph_free(program->graph);
    params_free(program->params);
}

/* ---- numbers: the same for every backend ---------------------------------------------------- */

static void fill_f32(float *out, int64_t count, enum content content, struct stream *stream)
{
    for (int64_t i = 0; i < count; i++) {
        double u = stream_uniform(stream);
        switch (content) {
        case POSITIVE:
            out[i] = (float)(0.5 + 1.5 * u);
            break;
        case UNIT:
            out[i] = (float)fmin(fmax(1.2 * u - 0.1, 0), 1);
            break;
        case NOT_A_NUMBER:
            out[i] = NAN;
            break;
        case INFINITE:
            out[i] = INFINITY;
            break;
        default:
            out[i] = (float)(4 * u - 2);
        }
    }
}

static void fill_rates(float *out)
{
    out[RATE_LR] = 0.01f;
    out[RATE_WEIGHT_DECAY] = 0.1f;
    out[RATE_BIAS1] = (float)(1 - pow(0.9, 3));
    out[RATE_BIAS2] = (float)(1 - pow(0.999, 3));
    out[RATE_BETA1] = 0.9f;
    out[RATE_BETA2] = 0.999f;
    out[RATE_EPS] = 1e-8f;
    out[RATE_MOMENTUM] = 0.8f;
}

static void fill_labels(int32_t *out, int64_t count, const struct op_case *test,
                        struct stream *stream, bool bad)
{
    for (int64_t i = 0; i < count; i++) {
        out[i] = (int32_t)stream_below(stream, (uint32_t)test->classes);
        if (test->attr.ignore >= test->classes && stream_below(stream, 5) == 0)
            out[i] = test->attr.ignore;
    }
    if (bad)
        out[count - 1] = test->classes;
}

/* Is this position of the window around output element `index` inside the image? */
static bool inside(const struct attr *attr, struct shape y, int64_t index, int position)
{
    const struct window *w = &attr->window;
    const int32_t in[3] = {attr->shape.d, attr->shape.h, attr->shape.w};
    const int32_t out[3] = {y.d, y.h, y.w};
    int64_t rest = index / y.c;
    for (int i = 2; i >= 0; i--) {
        int64_t at = rest % out[i] * w->stride[i] - w->pad[i] + position % w->size[i];
        rest /= out[i];
        position /= w->size[i];
        if (at < 0 || at >= in[i])
            return false;
    }
    return true;
}

static void fill_winners(uint8_t *out, struct shape shape, const struct attr *attr,
                         struct stream *stream)
{
    const int32_t *size = attr->window.size;
    uint32_t positions = (uint32_t)(size[0] * size[1] * size[2]);
    for (int64_t i = 0; i < shape_count(shape); i++)
        do
            out[i] = (uint8_t)stream_below(stream, positions);
        while (!inside(attr, shape, i, out[i]));
}

static void fill_host(void *host, const struct case_program *program, int index)
{
    const struct operand *operand = &program->test->in[index];
    int64_t count = shape_count(operand->shape);
    char name[128];
    snprintf(name, sizeof name, "%s/%s/%d", op_name(program->op), program->test->name, index);
    struct stream stream = stream_new(7, name);
    switch (operand->content) {
    case LABEL:
    case BAD_LABEL:
        fill_labels(host, count, program->test, &stream, operand->content == BAD_LABEL);
        break;
    case WINNER:
        fill_winners(host, operand->shape, &program->test->attr, &stream);
        break;
    case CLOCK:
        memcpy(host, (const int32_t[CLOCKS]){5, 3, 17, -9}, sizeof(int32_t[CLOCKS]));
        break;
    case RATES_AT_STEP_3:
        fill_rates(host);
        break;
    default:
        fill_f32(host, count, operand->content, &stream);
    }
}

static int fill_operand(struct case_program *program, int index, struct err *err)
{
    val x = program->operand[index];
    const struct value *value = graph_value(program->graph, x);
    void *host = xmalloc((size_t)shape_count(value->shape) * 4);
    fill_host(host, program, index);
    int rc = value->entry < 0
                 ? plan_put(program->plan, x, host, err)
                 : params_put(program->params, params_entry(program->params, value->entry),
                              ARRAY_PARAM, host, err);
    free(host);
    return rc;
}

int case_plan(struct case_program *program, struct backend *backend, struct case_form form,
              struct err *err)
{
    TRY(graph_check(program->graph, err));
    TRY(params_realise(program->params, backend, 1, err));
    TRY(plan_make(&program->plan, program->graph, backend,
                  &(struct plan_options){.guard = form.guard}, err));
    for (int i = 0; i < op_info(program->op)->nin; i++)
        if (program->operand[i])
            TRY(fill_operand(program, i, err));
    return 0;
}

/* ---- running -------------------------------------------------------------------------------- */

static float *add_result(struct case_result *result, int64_t length)
{
    result->length[result->count] = length;
    return result->data[result->count++] = xcalloc((size_t)length, sizeof(float));
}

static int read_output(struct case_result *result, struct case_program *program, val x,
                       struct err *err)
{
    const struct value *value = graph_value(program->graph, x);
    int64_t count = shape_count(value->shape);
    float *data = add_result(result, count);
    if (value->dtype == F32 || value->dtype == BF16)
        return plan_get(program->plan, x, data, err);
    uint8_t *bytes = xmalloc((size_t)count);
    int rc = plan_get(program->plan, x, bytes, err);
    for (int64_t i = 0; !rc && i < count; i++)
        data[i] = bytes[i];
    free(bytes);
    return rc;
}

static int read_results(struct case_result *result, struct case_program *program, struct err *err)
{
    const struct op_info *info = op_info(program->op);
    for (int i = 0; i < info->nout; i++)
        if (program->out[i])
            TRY(read_output(result, program, program->out[i], err));
    for (int i = 0; i < info->nin; i++) {
        const struct value *value = graph_value(program->graph, program->operand[i]);
        if (!program->operand[i] || !program->test->in[i].stored)
            continue;
        float *data = add_result(result, shape_count(value->shape));
        TRY(params_get(program->params, params_entry(program->params, value->entry), ARRAY_PARAM,
                       data, err));
    }
    return 0;
}

static int run(struct case_result *result, struct case_program *program, struct backend *backend,
               struct case_form form, struct err *err)
{
    TRY(case_plan(program, backend, form, err));
    TRY(plan_run(program->plan, err));
    TRY(backend->calls->sync(backend, err));
    TRY(plan_guards(program->plan, err));
    return read_results(result, program, err);
}

int case_run(struct case_result *result, enum op op, const struct op_case *test,
             struct backend *backend, struct case_form form, struct err *err)
{
    struct case_program program;
    *result = (struct case_result){0};
    case_build(&program, op, test, form);
    int rc = run(result, &program, backend, form, err);
    case_free(&program);
    return rc ? wrap(err, "%s, %s", op_name(op), test->name) : 0;
}

void case_result_free(struct case_result *result)
{
    for (int i = 0; i < result->count; i++)
        free(result->data[i]);
}

double scaled_error(const float *got, const float *want, int64_t count)
{
    double scale = 0, worst = 0;
    for (int64_t i = 0; i < count; i++) {
        if ((isnan(got[i]) && isnan(want[i])) || got[i] == want[i])
            continue;
        double difference = fabs((double)got[i] - want[i]);
        if (!isfinite(difference))
            return INFINITY;
        worst = fmax(worst, difference);
    }
    for (int64_t i = 0; i < count; i++)
        if (isfinite(want[i]))
            scale = fmax(scale, fabs((double)want[i]));
    return worst == 0 ? 0 : worst / scale;
}
