/* Tables in each format, with everything in them that the format must escape. */
#include "view/view.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char *const heads[] = {"variant", "dice", "n"};
static const bool right[] = {false, true, true};

static void expect(enum table_format format, const struct table_cell *cells, size_t rows,
                   const char *expected)
{
    struct table table = {3, rows, heads, right, cells, 0};
    struct text out = {0};
    table_write(&out, &table, format);
    assert_string_equal(out.data, expected);
    text_free(&out);
}

static const struct table_cell plain[] = {
    {.text = "MP+Tr"}, {.text = "0.804 \u00b1 0.01"}, {.text = "3"},
    {.text = "x"},     {.text = "1.2", .bold = true}, {NULL},
};

static void text_is_aligned(void **state)
{
    (void)state;
    expect(TABLE_TEXT, plain, 2,
           "variant          dice   n\n"
           "-------  ------------   -\n"
           "MP+Tr    0.804 \u00b1 0.01   3\n"
           "x                 1.2*   \n");
}

static void text_stays_on_its_line(void **state)
{
    (void)state;
    const struct table_cell cells[] = {{.text = "a\nb\tc\x1b"}, {.text = "1"}, {.text = "2"}};
    expect(TABLE_TEXT, cells, 1, "variant  dice  n\n-------  ----  -\na b c       1  2\n");
}

static void md_escapes_what_would_format(void **state)
{
    (void)state;
    const struct table_cell cells[] = {
        {.text = "a|b*c_d`e\\f<g>[h]"}, {.text = "1.5", .bold = true}, {.text = "", .bold = true}};
    expect(TABLE_MD, cells, 1,
           "| variant | dice | n |\n"
           "| --- | ---: | ---: |\n"
           "| a\\|b\\*c\\_d\\`e\\\\f\\<g\\>\\[h\\] | **1.5** |  |\n");
}

static void csv_follows_rfc_4180(void **state)
{
    (void)state;
    const struct table_cell cells[] = {{.text = "a,b"},          {.text = "say \"no\""},
                                       {.text = "two\r\nlines"}, {.text = "plain", .bold = true},
                                       {.text = " sp ace "},     {NULL}};
    expect(TABLE_CSV, cells, 2,
           "variant,dice,n\r\n"
           "\"a,b\",\"say \"\"no\"\"\",\"two\r\nlines\"\r\n"
           "plain, sp ace ,\r\n");
}

static void tex_escapes_its_ten_characters_and_arguments(void **state)
{
    (void)state;
    const struct table_cell cells[] = {
        {.text = "[a]_{b}*"}, {.text = "5% & $3 #1", .bold = true}, {.text = "~^\\ \u00b1"}};
    expect(TABLE_TEX, cells, 1,
           "\\begin{tabular}{lrr}\n\\toprule\nvariant & dice & n \\\\\n\\midrule\n"
           "{[}a]\\_\\{b\\}{*} & \\textbf{5\\% \\& \\$3 \\#1} & "
           "\\textasciitilde{}\\textasciicircum{}\\textbackslash{} $\\pm$ \\\\\n"
           "\\bottomrule\n\\end{tabular}\n");
}

static void json_numbers_are_numbers(void **state)
{
    (void)state;
    const struct table_cell cells[] = {
        {.text = "12"}, {.text = "-0.5e-3"}, {.text = "0"},  {.text = "q\"\\\n"}, {.text = "nan"},
        {.text = "01"}, {.text = ""},        {.text = "1."}, {.text = "+1"},      {NULL},
        {.text = "1e"}, {.text = ".5"}};
    expect(TABLE_JSON, cells, 4,
           "[\n {\"variant\": \"12\", \"dice\": -0.5e-3, \"n\": 0},\n"
           " {\"variant\": \"q\\\"\\\\\\u000a\", \"dice\": \"nan\", \"n\": \"01\"},\n"
           " {\"variant\": null, \"dice\": \"1.\", \"n\": \"+1\"},\n"
           " {\"variant\": null, \"dice\": \"1e\", \"n\": \".5\"}\n]\n");
    expect(TABLE_JSON, NULL, 0, "[]\n");
}

static void html_escapes_text_and_titles(void **state)
{
    (void)state;
    const struct table_cell cells[] = {
        {.text = "<i>&", .title = "\"full\""}, {.text = "0.5", .bold = true}, {NULL}};
    expect(TABLE_HTML, cells, 1,
           "<div class=\"table\"><table>\n<thead><tr><th>variant</th><th class=\"n\">dice</th>"
           "<th class=\"n\">n</th></tr></thead>\n<tbody>\n"
           "<tr><td title=\"&quot;full&quot;\">&lt;i&gt;&amp;</td><td class=\"n\"><b>0.5</b></td>"
           "<td class=\"n\"></td></tr>\n</tbody></table></div>\n");
}

static void format_names_match(void **state)
{
    (void)state;
    assert_string_equal(table_formats[TABLE_TEXT], "text");
    assert_string_equal(table_formats[TABLE_TEX], "tex");
    assert_string_equal(table_formats[TABLE_HTML], "html");
    assert_null(table_formats[TABLE_HTML + 1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_is_aligned),
        cmocka_unit_test(text_stays_on_its_line),
        cmocka_unit_test(md_escapes_what_would_format),
        cmocka_unit_test(csv_follows_rfc_4180),
        cmocka_unit_test(tex_escapes_its_ten_characters_and_arguments),
        cmocka_unit_test(json_numbers_are_numbers),
        cmocka_unit_test(html_escapes_text_and_titles),
        cmocka_unit_test(format_names_match),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
