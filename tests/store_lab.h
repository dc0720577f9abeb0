/* A lab of its own for each test, and the few steps that every test of the store takes. */
#ifndef CAIRN_TESTS_STORE_LAB_H
#define CAIRN_TESTS_STORE_LAB_H

/* before cmocka.h, which has a macro called fail */
#include "base/file.h"
#include "base/text.h"
#include "store/store.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define OK(call)                                                                                   \
    do {                                                                                           \
        if ((call) < 0)                                                                            \
            fail_msg("%s: %s", #call, err.text);                                                   \
    } while (0)
/* Fails with this status and a text that contains the words. */
#define FAILS(call, what, words)                                                                   \
    do {                                                                                           \
        err = (struct err){0};                                                                     \
        assert_int_equal(call, -1);                                                                \
        assert_int_equal(err.status, what);                                                        \
        if (!strstr(err.text, words))                                                              \
            fail_msg("'%s' does not contain '%s'", err.text, words);                               \
    } while (0)

struct lab {
    char path[PATH_BYTES];
    struct store *store;
    struct arena arena;
    struct port outputs[MAX_PORTS]; /* of the last look-up */
    int count;
};

/* Where tests put their files: in memory if there is such a place, because thousands of fsyncs on a
 * busy disk take minutes. */
static inline const char *test_folder(void)
{
    const char *folder = getenv("TMPDIR");
    return folder ? folder : !access("/dev/shm", W_OK) ? "/dev/shm" : "/tmp";
}

static inline int lab_setup(void **state)
{
    struct lab *lab = calloc(1, sizeof *lab);
    struct err err;
    snprintf(lab->path, sizeof lab->path, "%s/cairn-test-XXXXXX", test_folder());
    if (!mkdtemp(lab->path) || store_open(&lab->store, lab->path, true, &err))
        return -1;
    *state = lab;
    return 0;
}

static inline int lab_teardown(void **state)
{
    struct lab *lab = *state;
    struct err err;
    store_close(lab->store);
    arena_free(&lab->arena);
    int status = folder_remove(lab->path, &err);
    free(lab);
    return status;
}

#define LAB_TEST(name) cmocka_unit_test_setup_teardown(name, lab_setup, lab_teardown)

/* An artifact with one file. */
static inline int artifact_of(struct id *out, struct store *store, const char *name,
                              const char *bytes, struct err *err)
{
    struct draft *draft;
    char path[PATH_BYTES];
    TRY(draft_open(&draft, store, err));
    if (draft_path(draft, name, path, err) || file_publish(path, bytes, strlen(bytes), err)) {
        draft_drop(draft);
        return -1;
    }
    return draft_seal(draft, out, err);
}

/* Are all its bytes those that its id stands for? */
static inline int artifact_verify(const struct store *store, const struct id *artifact,
                                  struct err *err)
{
    struct arena arena = {0};
    struct manifest manifest;
    char path[PATH_BYTES];
    int status = artifact_manifest(&manifest, &arena, store, artifact, err);
    for (size_t i = 0; !status && i < manifest.count; i++)
        status = artifact_path(path, store, artifact, manifest.lines[i].name, err);
    arena_free(&arena);
    return status;
}

static inline int claim(struct run **out, struct lab *lab, const char *recipe_text, bool again,
                        struct err *err)
{
    struct run_spec spec = {.stage = "train-vae",
                            .recipe_text = recipe_text,
                            .build = "test",
                            .config = "lr: 0.001\n",
                            .again = again};
    return run_claim(out, lab->store, &spec, &lab->arena, lab->outputs, &lab->count, NULL, err);
}

/* A run whose result is one artifact with these bytes. */
static inline int run_once(struct lab *lab, const char *recipe_text, const char *bytes, bool again,
                           struct err *err)
{
    struct run *run;
    int known = claim(&run, lab, recipe_text, again, err);
    if (known)
        return known;
    struct port port = {.name = "model"};
    if (artifact_of(&port.artifact, lab->store, "weights.bin", bytes, err)) {
        run_end(run, err);
        return -1;
    }
    return run_commit(run, &port, 1, err);
}

#endif
