/* The autoencoder's network: what it has in common with a UNet, what its skips join, what it says of its
 * latents. Its training is held against PyTorch in train_golden_models.c. */
#include "model/autoencoder.h"

#include <stdio.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static int64_t channels[] = {4, 6, 8, 10};
enum { LEVELS = 4 };

static struct autoencoder_description describe(int norm, int block, int down, int skips)
{
    return (struct autoencoder_description){.model = {.unet = {.channels = {LEVELS, channels},
                                                               .norm = norm,
                                                               .norm_groups = 2,
                                                               .activation = ACT_LEAKY_RELU,
                                                               .block = block,
                                                               .down = down},
                                                      .dropout = 0.25,
                                                      .skips = skips},
                                            .data = {1, 21, 13, 3, 0}};
}

struct built {
    struct params *params;
    struct graph *graph;
    val image;
};

static struct built start(void)
{
    struct built b = {.params = params_new()};
    b.graph = graph_new(b.params, MODE_TRAIN, ARRAY_PARAM);
    b.image = g_input(b.graph, "image", F32, (struct shape){2, 1, 21, 13, 3});
    return b;
}

static void finish(struct built *b)
{
    struct err err = {0};
    if (graph_check(b->graph, &err))
        fail_msg("%s", err.text);
    graph_free(b->graph);
    params_free(b->params);
}

static int encoder_entries(const struct params *params)
{
    int count = 0;
    for (int32_t i = 0; i < params_count(params); i++)
        count += strcmp(params_entry(params, i)->group, "encoder") == 0;
    return count;
}

/* Whatever the skips: equal names, shapes and kinds of entries. */
static void its_encoder_is_a_unets(void **state)
{
    (void)state;
    for (int k = 0; k < 4 * 3 * 2 * 3; k++) {
        struct autoencoder_description is = describe(k % 4, k / 4 % 3, k / 12 % 2, k / 24);
        struct built ae = start(), unet = start();
        val extra[UNET_LEVELS];
        int none;
        autoencoder_reconstruct(ae.graph, &is.model, ae.image);
        unet_logits(unet.graph, &is.model.unet, 5, unet.image, extra, &none);
        int count = encoder_entries(ae.params);
        assert_int_equal(count, encoder_entries(unet.params));
        assert_true(count >= 2 * 2 * LEVELS);
        for (int32_t i = 0; i < params_count(ae.params); i++) {
            const struct entry *entry = params_entry(ae.params, i);
            if (strcmp(entry->group, "encoder") != 0)
                continue;
            const struct entry *other = params_find(unet.params, entry->name);
            assert_non_null(other);
            assert_true(shape_equal(entry->shape, other->shape));
            assert_string_equal(entry->group, other->group);
            assert_int_equal(entry->state, other->state);
        }
        finish(&ae);
        finish(&unet);
    }
}

/* Channels that a decoder level's first convolution takes: twice as many where it is joined. */
static void skips_join_what_they_say(void **state)
{
    static const bool joined[][LEVELS - 1] = {
        [SKIPS_NONE] = {false, false, false},
        [SKIPS_DEEP] = {false, false, true},
        [SKIPS_ALL] = {true, true, true},
    };
    (void)state;
    for (int skips = SKIPS_NONE; skips <= SKIPS_ALL; skips++) {
        struct autoencoder_description is = describe(NORM_INSTANCE, 0, DOWN_STRIDED, skips);
        struct built ae = start();
        val raw = autoencoder_reconstruct(ae.graph, &is.model, ae.image);
        assert_true(shape_equal(g_shape(ae.graph, raw), (struct shape){2, 1, 21, 13, 3}));
        for (int i = 0; i < LEVELS - 1; i++) {
            char name[64];
            snprintf(name, sizeof name, "decoder.%d.conv1.weight", i);
            const struct entry *entry = params_find(ae.params, name);
            assert_non_null(entry);
            assert_int_equal(entry->shape.c, channels[i] * (joined[skips][i] ? 2 : 1));
        }
        finish(&ae);
    }
}

/* Sides of 21 and 13 are 3 and 2 after three halvings, each rounded up. */
static void it_says_what_its_latents_are(void **state)
{
    (void)state;
    for (int down = DOWN_MAXPOOL; down <= DOWN_STRIDED; down++) {
        struct autoencoder_description is = describe(NORM_INSTANCE, 0, down, SKIPS_NONE);
        struct model_facts facts = autoencoder_kind.facts(&is);
        struct built ae = start();
        val z_logvar = 1;
        val z = autoencoder_kind.encode(ae.graph, &is, ae.image, 0, &z_logvar);
        assert_int_equal(z_logvar, 0);
        assert_false(facts.sampled);
        assert_true(shape_equal(facts.latent, (struct shape){1, 1, 3, 2, 10}));
        facts.latent.n = 2;
        assert_true(shape_equal(g_shape(ae.graph, z), facts.latent));
        finish(&ae);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(its_encoder_is_a_unets),
        cmocka_unit_test(skips_join_what_they_say),
        cmocka_unit_test(it_says_what_its_latents_are),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
