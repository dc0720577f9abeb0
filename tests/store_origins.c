/* What an artifact was made from, through several runs. */
#include "store_lab.h"

/* A run of the stage from these inputs, "PORT=NAME ...", each the result of an earlier one. */
enum { MOST = 8 };
struct chain {
    struct lab *lab;
    int count;
    struct {
        const char *name;
        struct id id;
    } made[MOST];
};

static struct id made(const struct chain *chain, const char *name)
{
    for (int i = 0; i < chain->count; i++)
        if (strcmp(chain->made[i].name, name) == 0)
            return chain->made[i].id;
    fail_msg("nothing is called '%s'", name);
    return (struct id){{0}};
}

static void make(struct chain *chain, const char *name, const char *stage,
                 const char *const *inputs)
{
    struct lab *lab = chain->lab;
    struct run *run;
    struct port ports[MAX_PORTS], output = {.name = "out"};
    struct run_spec spec = {
        .stage = stage, .recipe_text = name, .build = "test", .config = "", .inputs = ports};
    struct err err;
    for (; inputs[0]; inputs += 2)
        ports[spec.input_count++] = (struct port){inputs[0], made(chain, inputs[1])};
    OK(run_claim(&run, lab->store, &spec, &lab->arena, lab->outputs, &lab->count, NULL, &err));
    OK(artifact_of(&output.artifact, lab->store, "file", name, &err));
    OK(run_commit(run, &output, 1, &err));
    chain->made[chain->count].name = name;
    chain->made[chain->count++].id = output.artifact;
}
#define MAKE(name, stage, ...) make(&chain, name, stage, (const char *const[]){__VA_ARGS__ NULL})

struct seen {
    const struct chain *chain;
    struct text text;
};

static int note(void *user, const struct origin *origin, struct err *err)
{
    struct seen *seen = user;
    (void)err;
    for (int i = 0; i < seen->chain->count; i++)
        if (strcmp(seen->chain->made[i].id.hex, origin->artifact.hex) == 0)
            text_printf(&seen->text, "%s.%s=%s ", origin->stage, origin->port,
                        seen->chain->made[i].name);
    return 0;
}

static void expect_origins(const struct chain *chain, const char *name, const char *want)
{
    struct seen seen = {.chain = chain};
    struct id id = made(chain, name);
    struct err err;
    text_puts(&seen.text, "");
    OK(registry_origins(chain->lab->store, &id, note, &seen, &err));
    assert_string_equal(seen.text.data, want);
    text_free(&seen.text);
}

/* Pre-training on one data set, with a network that was fitted to another. */
static void origins_reach_every_data_set(void **state)
{
    struct chain chain = {.lab = *state};
    MAKE("photos", "preprocess", );
    MAKE("pets", "preprocess", );
    MAKE("other", "preprocess", );
    MAKE("network", "train-classifier", "dataset", "photos", );
    MAKE("ae", "pretrain-ae", "dataset", "pets", "perceptual", "network", );
    MAKE("unet", "transfer-unet", "dataset", "pets", "init", "ae", );
    MAKE("stranger", "transfer-unet", "dataset", "other", );
    expect_origins(&chain, "unet",
                   "transfer-unet.dataset=pets transfer-unet.init=ae pretrain-ae.dataset=pets "
                   "pretrain-ae.perceptual=network train-classifier.dataset=photos ");
    expect_origins(&chain, "network", "train-classifier.dataset=photos ");
    expect_origins(&chain, "photos", "");
}

static void what_nobody_made_has_none(void **state)
{
    struct lab *lab = *state;
    struct chain chain = {.lab = lab};
    struct err err;
    OK(artifact_of(&chain.made[0].id, lab->store, "file", "from elsewhere", &err));
    chain.made[0].name = "it";
    chain.count = 1;
    expect_origins(&chain, "it", "");
}

static int stop(void *user, const struct origin *origin, struct err *err)
{
    (void)origin, (void)err;
    ++*(int *)user;
    return 7;
}

static void a_walk_can_end_early(void **state)
{
    struct chain chain = {.lab = *state};
    struct err err;
    int rows = 0;
    MAKE("a", "preprocess", );
    MAKE("b", "preprocess", );
    MAKE("c", "train", "one", "a", "two", "b", );
    struct id c = made(&chain, "c");
    assert_int_equal(registry_origins(chain.lab->store, &c, stop, &rows, &err), 7);
    assert_int_equal(rows, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LAB_TEST(origins_reach_every_data_set),
        LAB_TEST(what_nobody_made_has_none),
        LAB_TEST(a_walk_can_end_early),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
