/* Writing a report: all files go into a folder next to its place, then the two are swapped. */
#include "report/report_parts.h"

#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

void gallery_add(struct gallery *gallery, struct arena *arena, const char *file,
                 const char *caption)
{
    *ARENA_ADD(arena, gallery->items, gallery->count) = (struct shown){file, caption};
}

int gallery_plot(struct gallery *gallery, struct report *report, int drawn, const char *file,
                 const char *caption, struct err *err)
{
    if (drawn < 0)
        return -1;
    if (drawn && !report->no_plots)
        report->no_plots = arena_strdup(&report->arena, err->text);
    gallery_add(gallery, &report->arena, drawn ? NULL : file, caption);
    return 0;
}

static int write_text(const char *folder, const char *name, struct text *text, struct err *err)
{
    char path[PATH_BYTES];
    if (!path_join(path, folder, name, err))
        return text_publish(text, path, err);
    text_free(text);
    return -1;
}

static int draw_cell(struct cell_gallery *cell, struct report *report, const char *folder,
                     struct err *err)
{
    char path[PATH_BYTES];
    TRY(path_join(path, folder,
                  cell_folder(&report->arena, report->experiment, cell->variant, cell->seed), err));
    TRY(folder_make(path, err));
    TRY(draw_cell_curves(&cell->curves, report, folder, cell->variant, cell->seed, err));
    return draw_pictures(&cell->pictures, report, folder, cell->variant, cell->seed, err);
}

/* The baseline's first seed first, then the others in the experiment's order. */
static struct cell_gallery *list_cells(struct report *report, size_t *count)
{
    const struct experiment *experiment = report->experiment;
    size_t cells = experiment->variant_count * experiment->seed_count, at = 1;
    struct cell_gallery *out = arena_alloc(&report->arena, cells * sizeof *out);
    out[0] = (struct cell_gallery){.variant = experiment->baseline, .seed = experiment->seeds[0]};
    for (size_t v = 0; v < experiment->variant_count; v++)
        for (size_t s = 0; s < experiment->seed_count; s++)
            if (v != experiment->baseline || s)
                out[at++] = (struct cell_gallery){.variant = v, .seed = experiment->seeds[s]};
    *count = cells;
    return out;
}

/* "SIZE NAME" of each file in the folder and its subfolders. */
static int list_files(struct text *out, const char *folder, const char *below, struct arena *arena,
                      struct err *err)
{
    char here[PATH_BYTES], path[PATH_BYTES], **names;
    size_t count;
    TRY(path_join(here, folder, below, err));
    TRY(folder_names(&names, &count, here, arena, err));
    for (size_t i = 0; i < count; i++) {
        struct stat file;
        const char *name = arena_printf(arena, "%s%s", below, names[i]);
        TRY(path_join(path, folder, name, err));
        if (lstat(path, &file))
            return fail_errno(err, "cannot look at '%s'", path);
        if (S_ISDIR(file.st_mode))
            TRY(list_files(out, folder, arena_printf(arena, "%s/", name), arena, err));
        else
            text_printf(out, "%lld %s\n", (long long)file.st_size, name);
    }
    return 0;
}

static int write_stamp(struct report *report, const char *folder, struct err *err)
{
    struct text stamp = {0};
    struct id page;
    char path[PATH_BYTES];
    TRY(path_join(path, folder, "index.html", err));
    TRY(sha256_file(&page, NULL, path, err));
    text_printf(&stamp, "%s\n%s\n", report_stamp(report->experiment, report->resolution).hex,
                page.hex);
    if (report->no_plots) /* so that the next plan makes the page again */
        text_puts(&stamp, "without plots\n");
    if (list_files(&stamp, folder, "", &report->arena, err)) {
        text_free(&stamp);
        return -1;
    }
    return write_text(folder, REPORT_STAMP, &stamp, err);
}

static int write_files(struct report *report, const struct options *options, const char *folder,
                       struct err *err)
{
    struct gallery overview = {0}, cases = {0}, sweeps = {0};
    struct page page = {.report = report,
                        .options = options,
                        .overview = &overview,
                        .cases = &cases,
                        .sweeps = &sweeps};
    struct cell_gallery *drawn = list_cells(report, &page.cell_count);
    page.cells = drawn;
    for (size_t i = 0; i < page.cell_count; i++)
        TRY(draw_cell(&drawn[i], report, folder, err));
    TRY(draw_all_curves(&overview, report, folder, err));
    TRY(draw_cases(&cases, report, folder, err));
    TRY(draw_sweeps(&sweeps, report, folder, err));

    struct text csv = {0}, md = {0}, frozen = {0}, body = {0};
    ablation_table(&csv, report, TABLE_CSV);
    TRY(write_text(folder, "ablation.csv", &csv, err));
    markdown_body(&md, report);
    TRY(write_text(folder, "ablation.md", &md, err));
    text_puts(&frozen, report->experiment->frozen);
    TRY(write_text(folder, "experiment.yaml", &frozen, err));
    page_body(&body, &page);
    char path[PATH_BYTES];
    int status = path_join(path, folder, "index.html", err) ||
                 page_write(path, report->experiment->name, body.data, err);
    text_free(&body);
    TRY(status);
    return write_stamp(report, folder, err);
}

/* A reader always finds either the old or the new report, complete. */
static int swap_in(const char *fresh, const char *folder, struct err *err)
{
    if (rename(fresh, folder) == 0)
        return 0;
    if (errno != ENOTEMPTY && errno != EEXIST && errno != ENOTDIR)
        return fail_errno(err, "cannot rename '%s' to '%s'", fresh, folder);
    if (renameat2(AT_FDCWD, fresh, AT_FDCWD, folder, RENAME_EXCHANGE) == 0)
        return folder_remove(fresh, err);
    /* a file system that cannot exchange two names */
    TRY(folder_remove(folder, err));
    if (rename(fresh, folder))
        return fail_errno(err, "cannot rename '%s' to '%s'", fresh, folder);
    return 0;
}

int report_write(char *index, struct report *report, const struct options *options, struct err *err)
{
    char folder[PATH_BYTES], reports[PATH_BYTES], fresh[PATH_BYTES];
    TRY(report_folder(folder, options->lab, report->experiment->name, err));
    TRY(path_join(reports, options->lab, "reports", err));
    TRY(folder_make(reports, err));
    /* a dot keeps it out of listings */
    char *name = xprintf(".%s.", report->experiment->name);
    int status =
        temporary_name(fresh, report->store, reports, name, err) || folder_make(fresh, err);
    free(name);
    if (status)
        return -1;
    if (write_files(report, options, fresh, err) || swap_in(fresh, folder, err)) {
        struct err ignored;
        folder_remove(fresh, &ignored);
        return -1;
    }
    TRY(folder_sync(reports, err));
    return path_join(index, folder, "index.html", err);
}
