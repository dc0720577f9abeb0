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
    const struct table_cell cells[] = {{.text = "[a]_{b}*"},
                                       {.text = "5% & $3 #1", .bold = true},
                                       {.text = "~^\\ \u00b1\u2191\u2193"}};
    expect(TABLE_TEX, cells, 1,
           "\\begin{tabular}{lrr}\n\\toprule\nvariant & dice & n \\\\\n\\midrule\n"
           "{[}a]\\_\\{b\\}{*} & \\textbf{5\\% \\& \\$3 \\#1} & "
           "\\textasciitilde{}\\textasciicircum{}\\textbackslash{} $\\pm$$\\uparrow$$\\downarrow$ "
           "\\\\\n"
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

/* Two groups of two rows. */
static void groups_are_set_apart(void **state)
{
    (void)state;
    const struct table_cell cells[] = {
        {.text = "x/y_z"}, {.text = "1"}, {.text = "2"}, {NULL}, {.text = "3"}, {.text = "4"},
        {.text = "<v>"},   {.text = "5"}, {.text = "6"}, {NULL}, {.text = "7"}, {.text = "8"}};
    const struct table table = {3, 4, heads, right, cells, 2};
    static const char *const expected[] = {
        [TABLE_TEXT] = "x/y_z       1  2\n            3  4\n\n<v>         5  6\n",
        [TABLE_TEX] = "x/y\\_z & 1 & 2 \\\\\n & 3 & 4 \\\\\n\\addlinespace\n"
                      "\\textless{}v\\textgreater{} & 5 & 6 \\\\\n & 7 & 8 \\\\\n\\bottomrule",
        [TABLE_MD] = "|  | 3 | 4 |\n| \\<v\\> | 5 | 6 |\n",
        [TABLE_CSV] = ",3,4\r\n<v>,5,6\r\n",
        [TABLE_JSON] = "{\"variant\": null, \"dice\": 3, \"n\": 4},\n",
        [TABLE_HTML] =
            "<tr><th class=\"group\" rowspan=\"2\">x/<wbr>y_<wbr>z</th><td class=\"n\">1</td>"
            "<td class=\"n\">2</td></tr>\n<tr><td class=\"n\">3</td><td class=\"n\">4</td></tr>\n"
            "<tr><th class=\"group\" rowspan=\"2\">&lt;v&gt;</th>"};
    for (enum table_format format = TABLE_TEXT; format <= TABLE_HTML; format++) {
        struct text out = {0};
        table_write(&out, &table, format);
        if (!strstr(out.data, expected[format]))
            fail_msg("%s: '%s' is not in '%s'", table_formats[format], expected[format], out.data);
        text_free(&out);
    }
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
        cmocka_unit_test(groups_are_set_apart),
        cmocka_unit_test(format_names_match),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
