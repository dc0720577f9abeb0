#include "train/vae_train.h"

#include "train/model_text.h"

#define CONFIG(member) .key = #member, .offset = offsetof(struct vae_config, member)
const struct field vae_fields[] = {
    {CONFIG(model), .type = FIELD_SECTION, .sub = vae_model_fields, .help = "the network"},
    {CONFIG(loss), .type = FIELD_SECTION, .sub = vae_loss_fields, .help = "the loss"},
    {CONFIG(train), .type = FIELD_SECTION, .sub = train_fields, .help = "training"},
    {0},
};

static val loss(struct graph *g, const struct feed *feed, const void *user,
                struct monitors *monitors)
{
    const struct vae_description *vae = user;
    val z_logvar;
    val z_mean = vae_encode(g, &vae->model, &vae->data, feed->image, feed->label, &z_logvar);
    val z = vae_sample(g, z_mean, z_logvar, g_normal(g, g_shape(g, z_mean)));
    val logits = vae_decode(g, &vae->model, &vae->data, z, feed->label);

    val reconstruction =
        weighted_mean(g, vae_reconstruction(g, &vae->loss, logits, feed->image), feed->weight);
    val kl = weighted_mean(g, vae_kl(g, z_mean, z_logvar), feed->weight);
    monitor(monitors, "reconstruction", LESS_IS_BETTER, reconstruction);
    monitor(monitors, "kl", LESS_IS_BETTER, kl);
    if (graph_mode(g) == MODE_EVALUATE)
        return g_binary(g, OP_add, reconstruction, kl);
    val weight = g_affine(g, feed->scalar[0], (float)vae->loss.beta, 0);
    return g_binary(g, OP_add, reconstruction, g_binary(g, OP_mul, kl, weight));
}

static double kl_factor(double epoch, const void *user)
{
    const struct vae_description *vae = user;
    double epochs = (double)vae->loss.warmup_epochs;
    return epoch < epochs ? epoch / epochs : 1.0;
}

int vae_train(const struct training *where, const struct vae_config *config, uint64_t seed,
              const struct draft *draft, struct err *err)
{
    static const struct program_row programs[] = {
        {.loss = loss, .groups = {{.name = "encoder"}, {.name = "decoder"}}},
        {.loss = loss},
    };
    struct vae_description vae = {config->model, config->loss, image_data_of(where->dataset)};
    struct task task = {.name = "train-vae",
                        .kind = &vae_kind,
                        .model = &vae,
                        .config = &config->train,
                        .seed = seed,
                        .programs = programs,
                        .program_count = 2,
                        .scalars = {{kl_factor, 1}},
                        .user = &vae};
    TRY(vae_kind.check(&vae, err));
    return train(where, &task, draft, err);
}
