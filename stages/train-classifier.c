/* train-classifier: fit the classifier that judges generated images. */
#include "pipeline/pipeline.h"
#include "train/classifier_train.h"

/* One instrument for all seeds of an experiment: see the stage table. */
enum { JUDGE_SEED = 0 };

static int fit(const struct context *context, const struct training *where, struct err *err)
{
    return classifier_train(where, context->config, JUDGE_SEED, context_output(context, "model"),
                            err);
}

static int run(struct context *context, struct err *err)
{
    return context_train(context, fit, err);
}

int main(int argc, char **argv)
{
    return stage_main(argc, argv, "train-classifier", run);
}
