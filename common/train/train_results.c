/*
 * The results of steps: losses, monitors, norms. Those of a step are read while the next one is under way,
 * so that the device never idles while the host waits for it; where they are needed at once (the end of
 * an epoch, a checkpoint, a stop), trainer_flush reads them. If one is not finite, the store's guard has
 * kept the parameters as they were, in the step that followed, too.
 */
#include "train/trainer.h"

#include <math.h>
#include <stdlib.h>

int results_open(struct trainer *t, struct err *err)
{
    struct allocator memory = t->programs.memory;
    size_t runs = (size_t)t->programs.count * (size_t)(t->config->accumulate + 1);
    size_t each = t->programs.results_bytes;
    void *block;
    t->results_bytes = 2 * runs * each;
    TRY(memory.alloc(memory.owner, &block, t->results_bytes, err));
    t->results = block;
    for (size_t i = 0; i < 2; i++) {
        t->unread[i].reading = xcalloc(runs, sizeof *t->unread[i].reading);
        for (size_t k = 0; k < runs; k++)
            t->unread[i].reading[k].results =
                t->results + (i * runs + k) * (each / sizeof *t->results);
    }
    return 0;
}

/* After an error some may still be on their way into memory that is about to be given back. */
static void await_unread(const struct trainer *t)
{
    int earlier = t->unread[0].step > t->unread[1].step;
    for (int i = 0; i < 2; i++) {
        const struct unread *unread = &t->unread[i ^ earlier];
        struct err ignored;
        if (unread->count)
            plan_await(unread->reading[0].program->plan, unread->mark, &ignored);
    }
}

void results_close(struct trainer *t)
{
    struct allocator memory = t->programs.memory;
    await_unread(t);
    if (t->results)
        memory.free(memory.owner, t->results, t->results_bytes);
    for (int i = 0; i < 2; i++)
        free(t->unread[i].reading);
}

/* Of the step with this number, from 0. */
static struct unread *unread_of(struct trainer *t, int64_t step)
{
    return &t->unread[step & 1];
}

int results_fetch(struct trainer *t, int row, int64_t batch, struct program *program,
                  struct err *err)
{
    struct unread *unread = unread_of(t, t->at.step);
    struct reading *reading = &unread->reading[unread->count++];
    reading->row = row;
    reading->batch = batch;
    reading->program = program;
    unread->step = t->at.step;
    return plan_fetch(program->plan, reading->results, &unread->mark, err);
}

static int blame(struct trainer *t, int64_t step, const struct reading *reading, const char *what,
                 float value, struct err *err)
{
    TRY(trainer_repeat(t, step, reading->row, reading->batch, err));
    return trainer_not_finite(step + 1, reading->program->plan, what, (double)value, err);
}

static int read_measures(struct trainer *t, int64_t step, const struct reading *reading,
                         struct err *err)
{
    const struct program *p = reading->program;
    float values[MEASURES];
    int count = program_measures(values, p, reading->results);
    for (int i = 0; i < count; i++) {
        if (!isfinite(values[i]))
            return blame(t, step, reading, i ? p->monitors.items[i - 1].name : "loss", values[i],
                         err);
        t->at.sums[t->column[reading->row] + i] += (double)values[i];
    }
    t->at.batches[trainer_measures(t, reading->row)]++;
    t->loss += (double)values[0] / (double)t->config->accumulate;
    return 0;
}

static int read_norm(struct trainer *t, int64_t step, const struct reading *reading,
                     struct err *err)
{
    float norm = plan_result(reading->program->plan, reading->results, reading->program->norm);
    return isfinite(norm) ? 0 : blame(t, step, reading, "the gradient's norm", norm, err);
}

int results_read(struct trainer *t, int64_t step, struct err *err)
{
    struct unread *unread = unread_of(t, step);
    int count = unread->count;
    if (!count || unread->step != step)
        return 0;
    unread->count = 0;
    t->loss = 0;
    TRY(plan_await(unread->reading[count - 1].program->plan, unread->mark, err));
    for (int i = 0; i < count; i++)
        if (unread->reading[i].program->loss)
            TRY(read_measures(t, step, &unread->reading[i], err));
    for (int i = 0; i < count; i++)
        if (unread->reading[i].program->norm)
            TRY(read_norm(t, step, &unread->reading[i], err));
    return 0;
}

int trainer_flush(struct trainer *t, struct err *err)
{
    double before = clock_seconds();
    TRY(results_read(t, t->at.step - 1, err));
    t->at.seconds += clock_seconds() - before;
    return 0;
}
