#include "train/autoencoder_train.h"

#include "model/perceptual.h"
#include "model/unet_levels.h"
#include "train/model_text.h"

#include <math.h>

#define CONFIG(member) .key = #member, .offset = offsetof(struct autoencoder_config, member)
const struct field autoencoder_fields[] = {
    {CONFIG(task), .type = FIELD_SECTION, .sub = image_task_fields, .help = "what is learnt"},
    {CONFIG(model), .type = FIELD_SECTION, .sub = autoencoder_model_fields, .help = "the network"},
    {CONFIG(loss), .type = FIELD_SECTION, .sub = image_loss_fields,
     .help = "the loss: the weighted sum of the given terms; none: mse"},
    {CONFIG(train), .type = FIELD_SECTION, .sub = train_fields,
     .fallback = "{weight_decay: 1.0e-5, schedule: {kind: cosine}, early_stopping: {patience: 15}}",
     .help = "training"},
    {0},
};
#undef CONFIG

int autoencoder_config_check(const struct autoencoder_config *config, struct err *err)
{
    TRY(autoencoder_model_check(&config->model, err));
    return train_config_check(&config->train, err);
}

struct user {
    struct autoencoder_description autoencoder;
    const struct autoencoder_config *config;
    struct model network; /* of the perceptual term */
};

static val loss(struct graph *g, const struct feed *feed, const void *user,
                struct monitors *monitors)
{
    const struct user *u = user;
    const struct autoencoder_model_config *model = &u->autoencoder.model;
    struct range range = autoencoder_kind.facts(&u->autoencoder).range;
    val pixel, seen = image_task(g, &u->config->task, range, feed->image, &pixel);
    val image = autoencoder_image(g, model, autoencoder_reconstruct(g, model, seen));
    const struct image_pair pair = {.image = image,
                                    .target = feed->image,
                                    .pixel = pixel,
                                    .range = range_width(range),
                                    .network = &u->network};
    monitor(monitors, "mse", LESS_IS_BETTER,
            weighted_mean(g, image_squared_error(g, &pair), feed->weight));
    return weighted_mean(g, image_loss(g, &u->config->loss, &pair), feed->weight);
}

/* Adds the network of the perceptual term, if there is one, to what the task borrows. */
static int borrow_network(struct task *task, struct user *user, struct borrowed *borrowed,
                          const struct training *where, struct arena *arena, struct err *err)
{
    static const struct weights_map map[] = {{"", PERCEPTUAL_GROUP "."}, {0}};
    const struct range any = {-INFINITY, INFINITY}, pictures = {0, 1};
    if (!user->config->loss.perceptual.present)
        return 0;
    if (!borrowed->artifact)
        return fail_as(err, STATUS_CONFIG,
                       "loss: perceptual takes a network as input 'perceptual'");
    TRY(model_read(&user->network, where->store, borrowed->artifact, arena, err));
    TRY(perceptual_check(&user->network, where->dataset->pixel == PIXEL_U8 ? pictures : any,
                         where->dataset->c, err));
    borrowed->group = PERCEPTUAL_GROUP;
    borrowed->map = map;
    task->borrowed = borrowed;
    task->borrowed_count = 1;
    return 0;
}

int autoencoder_train(const struct training *where, const struct autoencoder_config *config,
                      const struct id *perceptual, uint64_t seed, const struct draft *draft,
                      struct err *err)
{
    static const struct program_row programs[] = {
        {.loss = loss, .groups = {{.name = "encoder"}, {.name = "decoder"}}},
        {.loss = loss},
    };
    struct user user = {{config->model, image_data_of(where->dataset)}, config, {0}};
    struct borrowed borrowed = {.artifact = perceptual};
    struct arena arena = {0};
    struct task task = {.name = "pretrain-ae",
                        .kind = &autoencoder_kind,
                        .model = &user.autoencoder,
                        .config = &config->train,
                        .seed = seed,
                        .programs = programs,
                        .program_count = 2,
                        .user = &user};
    TRY(autoencoder_config_check(config, err));
    TRY(image_task_check(&config->task, &user.autoencoder.data, err));
    TRY(autoencoder_kind.check(&user.autoencoder, err));
    TRY(unet_norm_check(&config->model.unet, train_shape(&config->train, where->dataset), err));
    int status = borrow_network(&task, &user, &borrowed, where, &arena, err) ||
                 train(where, &task, draft, err);
    arena_free(&arena);
    return status ? -1 : 0;
}
