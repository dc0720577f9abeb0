/* Runs a fuzz target over files and folders of inputs: the corpus as a plain regression test. */
#include "base/file.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

static int run(const char *path, int *count)
{
    struct err err;
    DIR *dir = opendir(path);
    if (dir) {
        int status = 0;
        struct dirent *entry;
        while (!status && (entry = readdir(dir))) {
            char inner[PATH_BYTES];
            if (entry->d_name[0] != '.' && !path_join(inner, path, entry->d_name, &err))
                status = run(inner, count);
        }
        closedir(dir);
        return status;
    }
    char *bytes;
    size_t length;
    if (file_read(&bytes, &length, path, 1 << 26, &err)) {
        fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    /* an exact-sized copy: reading past the end is seen by the sanitizer */
    unsigned char *exact = malloc(length ? length : 1);
    memcpy(exact, bytes, length);
    LLVMFuzzerTestOneInput(exact, length);
    free(exact);
    free(bytes);
    ++*count;
    return 0;
}

int main(int argc, char **argv)
{
    int count = 0;
    for (int i = 1; i < argc; i++)
        if (run(argv[i], &count))
            return 1;
    printf("%d inputs\n", count);
    return count ? 0 : 1;
}
