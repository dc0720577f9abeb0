#include "view/view.h"

#include <string.h>

enum { PADDING = 2, GAP = 6, TEXT_GAP = 16, CELL = 144, PAGE = 880 };
enum { LEAST_TEXT = 2, MOST_TEXT = 6, IMAGE_A_TEXT = 120 };

static const struct colour paper = {255, 255, 255}, ink = {38, 38, 38};

/* Layout in pixels. 64 bits: sizes come from files, and canvas_new checks the sum. */
struct layout {
    int64_t scale, image_w, image_h; /* an upscaled image */
    int64_t cell_w, cell_h;          /* with its caption */
    int32_t text;                    /* scale of all text */
    int64_t line;                    /* height of a line of text */
    int64_t left, top;               /* the margins that hold the labels */
    int64_t legend;                  /* y where it begins */
    int64_t width, height;
};

/* The longest line of text, in bytes. */
enum { LINE = 256 };

/* Takes the first line off a text; NULL if none is left. */
static const char *next_line(char line[LINE], const char *text)
{
    size_t length = strcspn(text, "\n"), kept = length < LINE ? length : LINE - 1;
    memcpy(line, text, kept);
    line[kept] = '\0';
    return text[length] ? text + length + 1 : NULL;
}

/* The width of the widest line, without the gap after its last character. */
static int64_t visible_width(const char *text, int32_t scale)
{
    int64_t most = 0;
    char line[LINE];
    while (text) {
        text = next_line(line, text);
        int64_t width = *line ? canvas_text_width(line, scale) - scale : 0;
        most = width > most ? width : most;
    }
    return most;
}

static int64_t lines_of(const char *text)
{
    int64_t lines = 1;
    for (; text && *text; text++)
        lines += *text == '\n';
    return lines;
}

/* Lines of the longest text, at least one; 0 for no texts. */
static int64_t most_lines(const char *const *texts, int64_t count)
{
    int64_t most = 0;
    for (int64_t i = 0; texts && i < count; i++) {
        int64_t lines = lines_of(texts[i]);
        most = lines > most ? lines : most;
    }
    return most;
}

static int64_t widest(const char *const *texts, int64_t count, int32_t scale)
{
    int64_t most = 0;
    for (int64_t i = 0; texts && i < count; i++) {
        int64_t width = visible_width(texts[i], scale);
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

/* ---- the legend ----------------------------------------------------------------------------- */
static int64_t swatch_side(const struct layout *at)
{
    return (int64_t)(FONT_HEIGHT - 1) * at->text;
}

static int64_t swatch_width(const struct layout *at, const struct swatch *swatch)
{
    return swatch_side(at) + GAP + visible_width(swatch->name, at->text) + TEXT_GAP;
}

/* Stripes like those of paint_errors. */
static void hatched_square(struct canvas *canvas, int64_t x, int64_t y, int64_t side)
{
    const uint8_t mask = MASK_HATCHED;
    uint8_t rgb[(FONT_HEIGHT - 1) * MOST_TEXT * (FONT_HEIGHT - 1) * MOST_TEXT * 3];
    uint8_t masks[(FONT_HEIGHT - 1) * MOST_TEXT * (FONT_HEIGHT - 1) * MOST_TEXT];
    memset(masks, mask, sizeof masks);
    paint_errors(rgb, masks, masks, true, (int32_t)side, (int32_t)side);
    canvas_image(canvas, (int32_t)x, (int32_t)y, rgb, (int32_t)side, (int32_t)side, 3, 1);
}

/* Swatches side by side, wrapped into lines; canvas NULL: only returns their height. */
static int64_t legend(struct canvas *canvas, const struct grid *grid, const struct layout *at)
{
    int64_t x = at->left, y = at->legend, side = swatch_side(at);
    for (int32_t i = 0; i < grid->swatch_count; i++) {
        const struct swatch *swatch = &grid->swatches[i];
        const uint8_t rgb[] = {swatch->colour.r, swatch->colour.g, swatch->colour.b};
        if (x > at->left && x + swatch_width(at, swatch) > at->width) {
            x = at->left;
            y += at->line + GAP;
        }
        if (canvas && swatch->hatched)
            hatched_square(canvas, x, y, side);
        else if (canvas)
            canvas_image(canvas, (int32_t)x, (int32_t)y, rgb, 1, 1, 3, (int32_t)side);
        if (canvas)
            canvas_text(canvas, (int32_t)(x + side + GAP), (int32_t)y, swatch->name, at->text, ink);
        x += swatch_width(at, swatch);
    }
    return grid->swatch_count ? y + at->line + GAP - at->legend : 0;
}

/* ---- layout --------------------------------------------------------------------------------- */
static struct layout arrange(const struct grid *grid)
{
    const int64_t columns = grid->columns, cells = grid->rows * columns;
    const int64_t captions = most_lines(grid->captions, cells);
    const int64_t heads = most_lines(grid->column_labels, columns);
    struct layout at = {.scale = grid->scale};
    if (at.scale == 0)
        at.scale = larger(smaller(CELL / larger(grid->h, grid->w), PAGE / columns / grid->w), 1);
    at.image_w = grid->w * at.scale;
    at.image_h = grid->h * at.scale;
    at.text = (int32_t)smaller(larger(at.image_w / IMAGE_A_TEXT, LEAST_TEXT), MOST_TEXT);
    at.line = (int64_t)(FONT_HEIGHT + 1) * at.text;
    int64_t text_w = larger(widest(grid->captions, cells, at.text),
                            widest(grid->column_labels, columns, at.text));
    at.cell_w = larger(at.image_w, captions || heads ? text_w + TEXT_GAP : 0);
    at.cell_h = at.image_h + (captions ? GAP / 2 + captions * at.line + GAP * 2 : 0);
    at.left =
        PADDING + (grid->row_labels ? widest(grid->row_labels, grid->rows, at.text) + GAP : 0);
    at.top = PADDING + heads * at.line;
    at.width = at.left + columns * (at.cell_w + PADDING);
    at.legend = at.top + grid->rows * (at.cell_h + PADDING) + GAP;
    at.height = at.legend - GAP;
    int64_t below = legend(NULL, grid, &at);
    at.height += below ? GAP + below : 0;
    return at;
}

/* Text with each line centred on x; NULL: none. */
static void centred(struct canvas *canvas, const struct layout *at, int64_t x, int64_t y,
                    const char *text)
{
    char line[LINE];
    for (; text; y += at->line) {
        text = next_line(line, text);
        canvas_text(canvas, (int32_t)(x - visible_width(line, at->text) / 2), (int32_t)y, line,
                    at->text, ink);
    }
}

/* To the left of its row, right-aligned and vertically centred on the images. */
static void row_label(struct canvas *canvas, const struct layout *at, int64_t y, const char *text)
{
    char line[LINE];
    y += (at->image_h - lines_of(text) * at->line + 2 * at->text) / 2;
    for (; text; y += at->line) {
        text = next_line(line, text);
        canvas_text(canvas, (int32_t)(at->left - GAP - visible_width(line, at->text)), (int32_t)y,
                    line, at->text, ink);
    }
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
                centred(canvas, at, x + at->cell_w / 2, y + at->image_h + GAP / 2,
                        grid->captions[i]);
        }
    }
    for (int32_t column = 0; grid->column_labels && column < grid->columns; column++)
        centred(canvas, at, at->left + column * (at->cell_w + PADDING) + at->cell_w / 2, PADDING,
                grid->column_labels[column]);
    legend(canvas, grid, at);
}

int grid_png(const struct grid *grid, const char *path, struct err *err)
{
    if (grid->rows < 1 || grid->columns < 1 || grid->h < 1 || grid->w < 1 || grid->scale < 0 ||
        grid->h > CANVAS_LARGEST || grid->w > CANVAS_LARGEST || grid->rows > CANVAS_LARGEST ||
        grid->columns > CANVAS_LARGEST || grid->scale > CANVAS_LARGEST || grid->swatch_count < 0 ||
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
