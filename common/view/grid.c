#include "view/view.h"

#include <string.h>

enum { PADDING = 2, GAP = 6, TEXT_GAP = 16, TEXT_SCALE = 2, CELL = 144, PAGE = 880 };
enum { LINE_HEIGHT = (FONT_HEIGHT + 1) * TEXT_SCALE };

static const struct colour paper = {255, 255, 255}, ink = {38, 38, 38};

/* Where things are, in pixels. 64 bits: sizes come from files, and canvas_new judges the sum. */
struct layout {
    int64_t scale, image_w, image_h; /* an upscaled image */
    int64_t cell_w, cell_h;          /* with its caption */
    int64_t left, top;               /* the margins that hold the labels */
    int64_t width, height;
};

/* A line of text is limited so that it fits where it is copied to. */
enum { LINE = 256 };

/* Takes the first line off a text; NULL: none is left. */
static const char *next_line(char line[LINE], const char *text)
{
    size_t length = strcspn(text, "\n"), kept = length < LINE ? length : LINE - 1;
    memcpy(line, text, kept);
    line[kept] = '\0';
    return text[length] ? text + length + 1 : NULL;
}

/* The widest line, without the last character's own gap, which is not seen. */
static int64_t visible_width(const char *text)
{
    int64_t most = 0;
    char line[LINE];
    while (text) {
        text = next_line(line, text);
        int64_t width = *line ? canvas_text_width(line, TEXT_SCALE) - TEXT_SCALE : 0;
        most = width > most ? width : most;
    }
    return most;
}

/* Lines of the longest text, at least one. */
static int64_t most_lines(const char *const *texts, int64_t count)
{
    int64_t most = 1;
    for (int64_t i = 0; i < count; i++) {
        int64_t lines = 1;
        for (const char *p = texts[i]; p && *p; p++)
            lines += *p == '\n';
        most = lines > most ? lines : most;
    }
    return most;
}

static int64_t widest(const char *const *texts, int64_t count)
{
    int64_t most = 0;
    for (int64_t i = 0; texts && i < count; i++) {
        int64_t width = visible_width(texts[i]);
        most = width > most ? width : most;
    }
    return most;
}

static int64_t larger(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static int64_t smaller(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static struct layout arrange(const struct grid *grid)
{
    const int64_t columns = grid->columns, cells = grid->rows * columns;
    const int64_t lines = grid->captions ? most_lines(grid->captions, cells) : 0;
    struct layout at = {.scale = grid->scale};
    if (at.scale == 0)
        at.scale = larger(smaller(CELL / larger(grid->h, grid->w), PAGE / columns / grid->w), 1);
    at.image_w = grid->w * at.scale;
    at.image_h = grid->h * at.scale;
    int64_t text_w = larger(widest(grid->captions, cells), widest(grid->column_labels, columns));
    bool texts = grid->captions || grid->column_labels;
    at.cell_w = larger(at.image_w, texts ? text_w + TEXT_GAP : 0);
    at.cell_h = at.image_h + (lines ? GAP / 2 + lines * LINE_HEIGHT + GAP * 2 : 0);
    at.left = PADDING + (grid->row_labels ? widest(grid->row_labels, grid->rows) + GAP : 0);
    at.top = PADDING + (grid->column_labels ? LINE_HEIGHT : 0);
    at.width = at.left + columns * (at.cell_w + PADDING);
    at.height = at.top + grid->rows * (at.cell_h + PADDING);
    return at;
}

/* Text with each line centred on x; NULL: none. */
static void centred(struct canvas *canvas, int64_t x, int64_t y, const char *text)
{
    char line[LINE];
    for (; text; y += LINE_HEIGHT) {
        text = next_line(line, text);
        canvas_text(canvas, (int32_t)(x - visible_width(line) / 2), (int32_t)y, line, TEXT_SCALE,
                    ink);
    }
}

/* Beside its row, aligned right and in the middle of the images. */
static void row_label(struct canvas *canvas, const struct layout *at, int64_t y, const char *text)
{
    if (text)
        canvas_text(canvas, (int32_t)(at->left - GAP - visible_width(text)),
                    (int32_t)(y + (at->image_h - (FONT_HEIGHT - 1) * TEXT_SCALE) / 2), text,
                    TEXT_SCALE, ink);
}

static void draw(struct canvas *canvas, const struct grid *grid, const struct layout *at)
{
    const int64_t size = (int64_t)grid->h * grid->w * grid->c;
    for (int32_t row = 0; row < grid->rows; row++) {
        int64_t y = at->top + row * (at->cell_h + PADDING);
        if (grid->row_labels)
            row_label(canvas, at, y, grid->row_labels[row]);
        for (int32_t column = 0; column < grid->columns; column++) {
            int64_t i = (int64_t)row * grid->columns + column;
            int64_t x = at->left + column * (at->cell_w + PADDING);
            canvas_image(canvas, (int32_t)(x + (at->cell_w - at->image_w) / 2), (int32_t)y,
                         grid->images + i * size, grid->h, grid->w, grid->c, (int32_t)at->scale);
            if (grid->captions)
                centred(canvas, x + at->cell_w / 2, y + at->image_h + GAP / 2, grid->captions[i]);
        }
    }
    for (int32_t column = 0; grid->column_labels && column < grid->columns; column++)
        centred(canvas, at->left + column * (at->cell_w + PADDING) + at->cell_w / 2, PADDING,
                grid->column_labels[column]);
}

int grid_png(const struct grid *grid, const char *path, struct err *err)
{
    if (grid->rows < 1 || grid->columns < 1 || grid->h < 1 || grid->w < 1 || grid->scale < 0 ||
        grid->h > CANVAS_LARGEST || grid->w > CANVAS_LARGEST || grid->rows > CANVAS_LARGEST ||
        grid->columns > CANVAS_LARGEST || grid->scale > CANVAS_LARGEST ||
        (grid->c != 1 && grid->c != 3))
        return fail(err, "cannot draw %d x %d images of %d x %d x %d as '%s'", grid->rows,
                    grid->columns, grid->h, grid->w, grid->c, path);
    struct layout at = arrange(grid);
    if (at.width > CANVAS_LARGEST || at.height > CANVAS_LARGEST)
        return fail(err, "'%s' would have %lld x %lld pixels", path, (long long)at.width,
                    (long long)at.height);
    struct canvas canvas;
    TRY(canvas_new(&canvas, (int32_t)at.width, (int32_t)at.height, paper, err));
    draw(&canvas, grid, &at);
    int status = canvas_png(&canvas, path, err);
    canvas_free(&canvas);
    return status;
}
