/* One training step of the two VAEs: what it multiplies is what arithmetic says. */
#include "model/vae.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

enum { BATCH = 128 };
static const struct image_data mnist = {1, 28, 28, 1, 10};
static const struct vae_model_config mlp = {.kind = VAE_MLP,
                                            .latent_channels = 20,
                                            .hidden = 512,
                                            .label_channels = 32,
                                            .activation = ACT_RELU,
                                            .logvar_min = -12,
                                            .logvar_max = 8};
static const struct vae_model_config conv = {.kind = VAE_CONV,
                                             .latent_channels = 20,
                                             .hidden = 256,
                                             .label_channels = 32,
                                             .channels = {2, (int64_t[]){32, 64}},
                                             .kernel = 4,
                                             .blocks = 1,
                                             .norm = NORM_BATCH,
                                             .activation = ACT_SILU,
                                             .logvar_min = -12,
                                             .logvar_max = 8};

struct step {
    struct backend *backend;
    struct params *params;
    struct graph *graph;
    struct plan *plan;
    val image, label, loss;
};

static void must(int rc, const struct err *err)
{
    if (!rc)
        return;
    fprintf(stderr, "%s\n", err->text);
    exit(1);
}

static val build(struct step *s, const struct vae_model_config *model)
{
    static const struct vae_loss_config bce = {.reconstruction = RECONSTRUCTION_BCE};
    struct graph *g = s->graph;
    s->image = g_input(g, "image", F32, (struct shape){BATCH, 1, 28, 28, 1});
    s->label = g_input(g, "label", I32, (struct shape){BATCH, 1, 1, 1, 1});
    val z_logvar, z_mean = vae_encode(g, model, &mnist, s->image, s->label, &z_logvar);
    val z = vae_sample(g, z_mean, z_logvar, g_normal(g, g_shape(g, z_mean)));
    val logits = vae_decode(g, model, &mnist, z, s->label);
    val per_case = g_binary(g, OP_add, vae_reconstruction(g, &bce, logits, s->image),
                            vae_kl(g, z_mean, z_logvar));
    return g_affine(g, g_reduce_sum(g, per_case, (struct shape){1, 1, 1, 1, 1}), 1.0f / BATCH, 0);
}

static void step_open(struct step *s, const struct vae_model_config *model, int threads)
{
    static const char *const groups[] = {"encoder", "decoder"};
    struct update update = {.kind = OPTIMISER_ADAM, .grad_scale = 1};
    struct err err;
    must(backend_open(&s->backend, &(struct backend_spec){.threads = threads}, NULL, &err), &err);
    s->params = params_new();
    s->graph = graph_new(s->params, MODE_TRAIN, ARRAY_PARAM);
    graph_suit(s->graph, s->backend);
    s->loss = g_output(s->graph, "loss", build(s, model));
    graph_backward(s->graph, s->loss, groups, 2, false);
    graph_update(s->graph, groups, 2, update, s->loss);
    must(graph_check(s->graph, &err), &err);
    must(params_realise(s->params, s->backend, 0, &err), &err);
    must(plan_make(&s->plan, s->graph, s->backend, &(struct plan_options){0}, &err), &err);
}

static void step_close(struct step *s)
{
    plan_free(s->plan);
    graph_free(s->graph);
    params_free(s->params);
    backend_close(s->backend);
}

/* ---- test ----------------------------------------------------------------------------------- */
/* Forward, by filter and by data are equal but for the image's gradient: of the mlp's first layer
 * it is there, because the label's embedding is part of its input; of the first convolution it is
 * not. */
static void multiply_adds(void **state)
{
    (void)state;
    struct step s;
    double first = 816 * 512, rest = 512 * 20 * 2 + 52 * 512 + 512 * 784;
    step_open(&s, &mlp, 1);
    assert_float_equal(plan_multiply_adds(s.plan) / BATCH, 3 * (first + rest), 1);
    step_close(&s);
    double image = 16 * 32 * 196, inner = 16 * 32 * 64 * 49;
    double dense = (3136 + 32) * 256 + 256 * 20 * 2 + 52 * 256 + 256 * 3136;
    double block = 2 * 9 * 32 * 32 * 196, deeper_block = 2 * 9 * 64 * 64 * 49;
    step_open(&s, &conv, 1);
    assert_float_equal(plan_multiply_adds(s.plan) / BATCH,
                       2 * image + 3 * (2 * (inner + block + deeper_block) + dense + image), 1);
    step_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(multiply_adds)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
