#include "view/view.h"

#include "base/json.h"
#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

const char *const table_formats[] = {"text", "md", "csv", "tex", "json", "html", NULL};

static const struct table_cell *cell_at(const struct table *table, size_t row, size_t column)
{
    return &table->cells[row * table->columns + column];
}

static const char *text_of(const struct table_cell *cell)
{
    return cell->text ? cell->text : "";
}

/* The byte at *text, which is then advanced. Words are one line in every format but csv, json and
 * html: a line break, a tab or another control character becomes a space. */
static char take(const char **text)
{
    size_t control = text_control(*text);
    char c = control ? ' ' : **text;
    *text += control ? control : 1;
    return c;
}

/* Does a group of rows end before this one? */
static bool group_ends(const struct table *table, size_t row)
{
    return table->group && row && row % table->group == 0;
}

/* ---- aligned text --------------------------------------------------------------------------- */
/* Counts code points: a terminal shows one column for each, except for accents and wide scripts. */
static size_t width_of(const char *text)
{
    size_t width = 0;
    for (; *text; text++)
        width += ((unsigned char)*text & 0xc0) != 0x80;
    return width;
}

static void fill(struct text *out, size_t count, char with)
{
    while (count--)
        text_add(out, &with, 1);
}

/* Bold cells are followed by a mark; the other cells of a column with bold ones leave room for
 * it. */
struct extent {
    size_t width;
    bool marks;
};

static void plain_cell(struct text *out, const char *text, bool bold, struct extent extent,
                       bool right, bool last)
{
    size_t gap = extent.width - width_of(text);
    if (right)
        fill(out, gap, ' ');
    while (*text) {
        char c = take(&text);
        text_add(out, &c, 1);
    }
    if (bold)
        text_puts(out, "*");
    if (last) { /* no trailing spaces */
        text_puts(out, "\n");
        return;
    }
    if (!right)
        fill(out, gap, ' ');
    fill(out, (extent.marks && !bold ? 1u : 0u) + 2u, ' ');
}

static struct extent measure(const struct table *table, size_t column)
{
    struct extent extent = {width_of(table->heads[column]), false};
    for (size_t r = 0; r < table->rows; r++) {
        const struct table_cell *cell = cell_at(table, r, column);
        size_t width = width_of(text_of(cell));
        extent.width = width > extent.width ? width : extent.width;
        extent.marks |= cell->bold;
    }
    return extent;
}

static void write_plain(struct text *out, const struct table *table)
{
    struct extent *extents = xcalloc(table->columns, sizeof *extents);
    for (size_t c = 0; c < table->columns; c++)
        extents[c] = measure(table, c);
    for (size_t c = 0; c < table->columns; c++)
        plain_cell(out, table->heads[c], false, extents[c], table->right[c],
                   c + 1 == table->columns);
    for (size_t c = 0; c < table->columns; c++) {
        fill(out, extents[c].width, '-');
        fill(out, c + 1 == table->columns ? 0 : extents[c].marks + 2u, ' ');
    }
    text_puts(out, "\n");
    for (size_t i = 0; i < table->rows * table->columns; i++) {
        const struct table_cell *cell = &table->cells[i];
        size_t c = i % table->columns;
        if (c == 0 && group_ends(table, i / table->columns))
            text_puts(out, "\n");
        plain_cell(out, text_of(cell), cell->bold, extents[c], table->right[c],
                   c + 1 == table->columns);
    }
    free(extents);
}

/* ---- Markdown (GitHub's tables) ------------------------------------------------------------- */
static void escape_md(struct text *out, const char *text)
{
    while (*text) {
        char c = take(&text);
        if (strchr("\\|*_`<>[]~&$", c))
            text_puts(out, "\\");
        text_add(out, &c, 1);
    }
}

static void write_md(struct text *out, const struct table *table)
{
    for (size_t c = 0; c < table->columns; c++) {
        text_puts(out, c ? " | " : "| ");
        escape_md(out, table->heads[c]);
    }
    text_puts(out, " |\n");
    for (size_t c = 0; c < table->columns; c++)
        text_puts(out, table->right[c] ? "| ---: " : "| --- ");
    text_puts(out, "|\n");
    for (size_t r = 0; r < table->rows; r++) {
        for (size_t c = 0; c < table->columns; c++) {
            const struct table_cell *cell = cell_at(table, r, c);
            const char *mark = cell->bold && *text_of(cell) ? "**" : "";
            text_printf(out, "%s%s", c ? " | " : "| ", mark);
            escape_md(out, text_of(cell));
            text_puts(out, mark);
        }
        text_puts(out, " |\n");
    }
}

/* ---- CSV (RFC 4180) ------------------------------------------------------------------------- */
static void write_csv(struct text *out, const struct table *table)
{
    for (size_t c = 0; c < table->columns; c++) {
        text_puts(out, c ? "," : "");
        text_csv(out, table->heads[c]);
    }
    text_puts(out, "\r\n");
    for (size_t r = 0; r < table->rows; r++) {
        for (size_t c = 0; c < table->columns; c++) {
            text_puts(out, c ? "," : "");
            text_csv(out, text_of(cell_at(table, r, c)));
        }
        text_puts(out, "\r\n");
    }
}

/* ---- LaTeX (booktabs) ----------------------------------------------------------------------- */
static void escape_tex(struct text *out, const char *text)
{
    static const struct {
        const char *from, *to;
    } rules[] = {
        {"\\", "\\textbackslash{}"},
        {"~", "\\textasciitilde{}"},
        {"^", "\\textasciicircum{}"},
        {"<", "\\textless{}"},
        {">", "\\textgreater{}"},
        {"|", "\\textbar{}"},
        {"\"", "{\\char34}"}, /* \textquotedbl is missing from the default encoding */
        {"`", "{`}"},         /* after ? or ! it would form a ligature */
        {"--", "-{}"},        /* so would two of them */
        {"[", "{[}"},         /* after \\, [ and * would be taken as its argument */
        {"*", "{*}"},
        {"&", "\\&"},
        {"%", "\\%"},
        {"$", "\\$"},
        {"#", "\\#"},
        {"_", "\\_"},
        {"{", "\\{"},
        {"}", "\\}"},
        {"\u00b1", "$\\pm$"},
        {"\u2212", "$-$"},
        {"\u00d7", "$\\times$"},
        {"\u2265", "$\\ge$"},
        {"\u2264", "$\\le$"},
        {"\u2191", "$\\uparrow$"},
        {"\u2193", "$\\downarrow$"},
    };
    while (*text) {
        size_t i = 0, count = sizeof rules / sizeof *rules;
        while (i < count && !starts_with(text, rules[i].from))
            i++;
        if (i < count) {
            text_puts(out, rules[i].to);
            text += *text == '-' ? 1 : strlen(rules[i].from);
        } else {
            char c = take(&text);
            text_add(out, &c, 1);
        }
    }
}

static void write_tex(struct text *out, const struct table *table)
{
    text_puts(out, "\\begin{tabular}{");
    for (size_t c = 0; c < table->columns; c++)
        text_puts(out, table->right[c] ? "r" : "l");
    text_puts(out, "}\n\\toprule\n");
    for (size_t c = 0; c < table->columns; c++) {
        text_puts(out, c ? " & " : "");
        escape_tex(out, table->heads[c]);
    }
    text_puts(out, " \\\\\n\\midrule\n");
    for (size_t r = 0; r < table->rows; r++) {
        if (group_ends(table, r))
            text_puts(out, "\\addlinespace\n");
        for (size_t c = 0; c < table->columns; c++) {
            const struct table_cell *cell = cell_at(table, r, c);
            text_printf(out, "%s%s", c ? " & " : "", cell->bold ? "\\textbf{" : "");
            escape_tex(out, text_of(cell));
            text_puts(out, cell->bold ? "}" : "");
        }
        text_puts(out, " \\\\\n");
    }
    text_puts(out, "\\bottomrule\n\\end{tabular}\n");
}

/* ---- JSON ----------------------------------------------------------------------------------- */
static void write_json(struct text *out, const struct table *table)
{
    struct json json = {.text = *out};
    json_begin(&json, NULL, "[\n *,\n *\n]\n");
    for (size_t r = 0; r < table->rows; r++) {
        json_begin(&json, NULL, "{*, *}");
        for (size_t c = 0; c < table->columns; c++) {
            const char *text = text_of(cell_at(table, r, c));
            if (table->right[c] && text_is_number(text))
                json_raw(&json, table->heads[c], "%s", text);
            else
                json_text(&json, table->heads[c], *text ? text : NULL);
        }
        json_end(&json);
    }
    json_end(&json);
    *out = json.text;
}

/* ---- HTML ----------------------------------------------------------------------------------- */
/* A group's header spans all its rows, and may break where its parts end. */
static void html_group(struct text *out, const struct table *table, const char *name)
{
    text_printf(out, "<th class=\"group\" rowspan=\"%zu\">", table->group);
    for (; *name; name++) {
        const char letter[] = {*name, '\0'};
        text_html(out, letter);
        text_puts(out, strchr("/_", *name) ? "<wbr>" : "");
    }
    text_puts(out, "</th>");
}

static void html_cell(struct text *out, const struct table_cell *cell, bool right)
{
    text_puts(out, right ? "<td class=\"n\"" : "<td");
    if (cell->title) {
        text_puts(out, " title=\"");
        text_html(out, cell->title);
        text_puts(out, "\"");
    }
    text_puts(out, cell->bold ? "><b>" : ">");
    text_html(out, text_of(cell));
    text_puts(out, cell->bold ? "</b></td>" : "</td>");
}

static void write_html(struct text *out, const struct table *table)
{
    text_puts(out, "<div class=\"table\"><table>\n<thead><tr>");
    for (size_t c = 0; c < table->columns; c++) {
        text_puts(out, table->right[c] ? "<th class=\"n\">" : "<th>");
        text_html(out, table->heads[c]);
        text_puts(out, "</th>");
    }
    text_puts(out, "</tr></thead>\n<tbody>\n");
    for (size_t r = 0; r < table->rows; r++) {
        size_t c = table->group ? 1 : 0;
        text_puts(out, "<tr>");
        if (c && r % table->group == 0)
            html_group(out, table, text_of(cell_at(table, r, 0)));
        for (; c < table->columns; c++)
            html_cell(out, cell_at(table, r, c), table->right[c]);
        text_puts(out, "</tr>\n");
    }
    text_puts(out, "</tbody></table></div>\n");
}

/* Escapes what would begin a heading, a list or an underline, and spaces that would begin code. */
static void md_line(struct text *out, const char *line)
{
    line += strspn(line, " \t");
    size_t number = strspn(line, "0123456789");
    if (number && line[number] && strchr(".)", line[number])) {
        text_add(out, line, number);
        line += number;
    }
    if (*line && strchr("#+-=.)", *line))
        text_puts(out, "\\");
    escape_md(out, line);
}

void table_words(struct text *out, const char *words, enum table_format format)
{
    while (*words) {
        size_t length = strcspn(words, "\n");
        char *line = xprintf("%.*s", (int)length, words);
        if (format == TABLE_MD) {
            md_line(out, line);
        } else {
            text_puts(out, format == TABLE_TEX ? "% " : "");
            for (const char *p = line; *p;) {
                char c = take(&p);
                text_add(out, &c, 1);
            }
        }
        text_puts(out, "\n");
        free(line);
        words += length + (words[length] == '\n');
    }
}

void table_write(struct text *out, const struct table *table, enum table_format format)
{
    static void (*const writers[])(struct text *, const struct table *) = {
        [TABLE_TEXT] = write_plain, [TABLE_MD] = write_md,     [TABLE_CSV] = write_csv,
        [TABLE_TEX] = write_tex,    [TABLE_JSON] = write_json, [TABLE_HTML] = write_html,
    };
    writers[format](out, table);
}
