/* Objects, drafts and manifests. Hashes here were computed by sha256sum. */
#include "store_lab.h"

#include <dirent.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define HELLO    "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03" /* "hello\n" */
#define MANIFEST "b467efd3358f25033b1ea9210ff0d377a52d690afb974a75456dfad58ba547d9"
#define EMPTY    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

static void put(const struct draft *draft, const char *name, const char *bytes)
{
    struct err err;
    char path[PATH_BYTES];
    OK(draft_path(draft, name, path, &err));
    OK(file_publish(path, bytes, strlen(bytes), &err));
}

/* Two files, written in one order or the other. */
static struct id seal_in_order(struct lab *lab, bool sorted)
{
    struct err err;
    struct draft *draft;
    struct id id;
    OK(draft_open(&draft, lab->store, &err));
    if (sorted)
        put(draft, "A-1.json", "");
    put(draft, "b.txt", "hello\n");
    if (!sorted)
        put(draft, "A-1.json", "");
    OK(draft_seal(draft, &id, &err));
    return id;
}

static struct id seal_two(struct lab *lab)
{
    return seal_in_order(lab, false);
}

static int work_entries(const struct lab *lab)
{
    char path[PATH_BYTES];
    struct err err;
    OK(path_join(path, lab->path, "work", &err));
    DIR *dir = opendir(path);
    int count = 0;
    while (readdir(dir))
        count++;
    closedir(dir);
    return count - 2;
}

static void an_artifact_is_named_by_its_sorted_manifest(void **state)
{
    struct lab *lab = *state;
    struct err err;
    struct id id = seal_two(lab);
    assert_string_equal(id.hex, MANIFEST);
    struct manifest manifest;
    OK(artifact_manifest(&manifest, &lab->arena, lab->store, &id, &err));
    assert_int_equal(manifest.count, 2);
    assert_string_equal(manifest.lines[0].name, "A-1.json");
    assert_string_equal(manifest.lines[0].object.hex, EMPTY);
    assert_int_equal(manifest.lines[0].size, 0);
    assert_string_equal(manifest.lines[1].name, "b.txt");
    assert_string_equal(manifest.lines[1].object.hex, HELLO);
    assert_int_equal(manifest.lines[1].size, 6);
    OK(artifact_verify(lab->store, &id, &err));
    assert_int_equal(work_entries(lab), 0);
}

static void sha256sum_of_each_object_is_its_name(void **state)
{
    struct lab *lab = *state;
    seal_two(lab);
    char *command =
        xprintf("cd '%s/objects' && for f in */*; do test \"$(sha256sum $f | cut -c1-64)\" "
                "= \"$(echo $f | tr -d /)\" && test $(stat -c %%a $f) = 444 || exit 1; "
                "done; test $(ls */* | wc -l) = 3",
                lab->path);
    assert_int_equal(system(command), 0);
    free(command);
}

static void equal_files_are_one_artifact(void **state)
{
    struct lab *lab = *state;
    struct id first = seal_in_order(lab, false), second = seal_in_order(lab, true);
    assert_string_equal(first.hex, second.hex);
}

static void path_of_a_file(void **state)
{
    struct lab *lab = *state;
    struct err err;
    struct id id = seal_two(lab), none = {.hex = HELLO};
    char path[PATH_BYTES], *bytes;
    size_t length;
    OK(artifact_path(path, lab->store, &id, "b.txt", &err));
    assert_non_null(strstr(path, "/objects/58/91b5b522"));
    OK(file_read(&bytes, &length, path, 100, &err));
    assert_string_equal(bytes, "hello\n");
    free(bytes);
    FAILS(artifact_path(path, lab->store, &id, "c.txt", &err), STATUS_MISSING, "no 'c.txt'");
    none.hex[0] = '0';
    FAILS(artifact_path(path, lab->store, &none, "b.txt", &err), STATUS_MISSING, "no artifact");
}

static void overwrite(const char *path, const char *bytes)
{
    assert_int_equal(chmod(path, 0644), 0);
    FILE *file = fopen(path, "w");
    fputs(bytes, file);
    assert_int_equal(fclose(file), 0);
}

static void verify_names_what_is_damaged_or_gone(void **state)
{
    struct lab *lab = *state;
    struct err err;
    struct id id = seal_two(lab);
    char path[PATH_BYTES], empty[PATH_BYTES];
    OK(artifact_path(path, lab->store, &id, "b.txt", &err));
    OK(artifact_path(empty, lab->store, &id, "A-1.json", &err));
    overwrite(path, "hellO\n");
    FAILS(artifact_verify(lab->store, &id, &err), STATUS_BAD_DATA, "is damaged: 'b.txt'");
    overwrite(path, "hello");
    FAILS(artifact_verify(lab->store, &id, &err), STATUS_BAD_DATA, "is damaged: 'b.txt'");
    unlink(path);
    FAILS(artifact_verify(lab->store, &id, &err), STATUS_BAD_DATA, "is gone: 'b.txt'");
    unlink(empty);
    FAILS(artifact_verify(lab->store, &id, &err), STATUS_BAD_DATA, "is gone: 'A-1.json'");
}

static void sealing_again_heals_a_damaged_object(void **state)
{
    struct lab *lab = *state;
    struct err err;
    struct id id = seal_two(lab);
    char path[PATH_BYTES];
    OK(artifact_path(path, lab->store, &id, "b.txt", &err));
    overwrite(path, "HELLO\n");
    seal_two(lab);
    OK(artifact_verify(lab->store, &id, &err));
}

static void a_damaged_manifest_is_refused(void **state)
{
    struct lab *lab = *state;
    struct err err;
    struct manifest manifest;
    struct id id = seal_two(lab);
    char *path = xprintf("%s/objects/%.2s/%s", lab->path, id.hex, id.hex + 2);
    overwrite(path, HELLO " 6 b.txt\n");
    FAILS(artifact_manifest(&manifest, &lab->arena, lab->store, &id, &err), STATUS_BAD_DATA,
          "damaged");
    free(path);
    static const char *const bad[] = {
        "",
        "x\n",
        HELLO " 6 b.txt",
        HELLO " 6 b.txt\n" HELLO " 6 a.txt\n",
        HELLO " 6 ../b\n",
        HELLO " -6 b.txt\n",
        HELLO " 06 b.txt\n",
        HELLO " 6 b.txt\n" HELLO " 6 b.txt\n",
        HELLO " 99999999999999999999 b.txt\n",
        HELLO "  b.txt\n",
        HELLO " 6 \n",
        HELLO " 6 b.part\n",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        OK(object_put(lab->store, bad[i], strlen(bad[i]), &id, &err));
        FAILS(artifact_manifest(&manifest, &lab->arena, lab->store, &id, &err), STATUS_BAD_DATA,
              "damaged");
    }
}

static void only_plain_files_with_plain_names(void **state)
{
    struct lab *lab = *state;
    struct err err;
    struct draft *draft;
    struct id id;
    char path[PATH_BYTES];
    OK(draft_open(&draft, lab->store, &err));
    static const char *const bad[] = {"",        ".",   "..",     "a/b",     "../x",
                                      ".hidden", "a b", "x.part", "\xc3\xa4"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        FAILS(draft_path(draft, bad[i], path, &err), STATUS_FAILED, "is not a valid file name");
    FAILS(draft_seal(draft, &id, &err), STATUS_FAILED, "at least one file");

    OK(draft_open(&draft, lab->store, &err));
    OK(draft_path(draft, "folder", path, &err));
    OK(folder_make(path, &err));
    FAILS(draft_seal(draft, &id, &err), STATUS_FAILED, "not a regular file");

    OK(draft_open(&draft, lab->store, &err));
    put(draft, "fine", "hello\n");
    OK(draft_path(draft, "link", path, &err));
    assert_int_equal(symlink("/etc/passwd", path), 0);
    FAILS(draft_seal(draft, &id, &err), STATUS_FAILED, "not a regular file");
    assert_int_equal(work_entries(lab), 0);
}

static void objects_are_checked_when_read(void **state)
{
    struct lab *lab = *state;
    struct err err;
    struct id id;
    char *bytes;
    size_t length;
    OK(object_put(lab->store, "hello\n", 6, &id, &err));
    assert_string_equal(id.hex, HELLO);
    OK(object_get(&bytes, &length, lab->store, &id, &err));
    assert_int_equal(length, 6);
    assert_memory_equal(bytes, "hello\n", 6);
    free(bytes);
    char *path = xprintf("%s/objects/%.2s/%s", lab->path, id.hex, id.hex + 2);
    overwrite(path, "Hello\n");
    FAILS(object_get(&bytes, &length, lab->store, &id, &err), STATUS_BAD_DATA, "damaged");
    OK(object_put(lab->store, "hello\n", 6, &id, &err));
    OK(object_get(&bytes, &length, lab->store, &id, &err));
    free(bytes);
    unlink(path);
    FAILS(object_get(&bytes, &length, lab->store, &id, &err), STATUS_MISSING, "no object");
    free(path);
}

static void drafts_of_killed_processes_are_cleared(void **state)
{
    struct lab *lab = *state;
    struct err err;
    pid_t child = fork();
    if (!child) {
        struct store *store;
        struct draft *draft;
        if (store_open(&store, lab->path, false, &err) || draft_open(&draft, store, &err))
            _exit(1);
        put(draft, "half", "hel");
        _exit(0); /* nothing is dropped, as if it had been killed */
    }
    int status;
    waitpid(child, &status, 0);
    assert_int_equal(status, 0);
    assert_int_equal(work_entries(lab), 1);
    struct draft *living, *other;
    OK(draft_open(&living, lab->store, &err));
    assert_int_equal(work_entries(lab), 1);
    OK(draft_open(&other, lab->store, &err));
    assert_int_equal(work_entries(lab), 2);
    draft_drop(living);
    draft_drop(other);
    assert_int_equal(work_entries(lab), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LAB_TEST(an_artifact_is_named_by_its_sorted_manifest),
        LAB_TEST(sha256sum_of_each_object_is_its_name),
        LAB_TEST(equal_files_are_one_artifact),
        LAB_TEST(path_of_a_file),
        LAB_TEST(verify_names_what_is_damaged_or_gone),
        LAB_TEST(sealing_again_heals_a_damaged_object),
        LAB_TEST(a_damaged_manifest_is_refused),
        LAB_TEST(only_plain_files_with_plain_names),
        LAB_TEST(objects_are_checked_when_read),
        LAB_TEST(drafts_of_killed_processes_are_cleared),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
