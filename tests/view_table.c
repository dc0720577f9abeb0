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
    /* NEL, CSI (a terminal obeys it) and the line separator */
    const struct table_cell wide[] = {
        {.text = "a\xc2\x85\x62\xc2\x9b\x63\u2028d\u00b1"}, {.text = "1"}, {.text = "2"}};
    expect(TABLE_TEXT, wide, 1, "variant   dice  n\n--------  ----  -\na b c d\u00b1     1  2\n");
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

static void csv_fields_are_no_formulas(void **state)
{
    (void)state;
    const struct table_cell cells[] = {
        {.text = "=HYPERLINK(\"x\")"}, {.text = "-1.5"}, {.text = "-x"}};
    expect(TABLE_CSV, cells, 1, "variant,dice,n\r\n\"'=HYPERLINK(\"\"x\"\")\",-1.5,'-x\r\n");
}

static void words_are_escaped_as_the_table_is(void **state)
{
    (void)state;
    static const char words[] =
        "Is <script>alert(1)</script> *bold*?\n# a\n1. b\n    code\n- c\n\n---\x1b[2J";
    static const char *const expected[] = {
        [TABLE_TEXT] =
            "Is <script>alert(1)</script> *bold*?\n# a\n1. b\n    code\n- c\n\n--- [2J\n",
        [TABLE_MD] = "Is \\<script\\>alert(1)\\</script\\> \\*bold\\*?\n\\# a\n1\\. b\ncode\n\\- "
                     "c\n\n\\--- \\[2J\n",
        [TABLE_TEX] = "% Is <script>alert(1)</script> *bold*?\n% # a\n% 1. b\n%     code\n% - "
                      "c\n% \n% --- [2J\n",
    };
    static const enum table_format formats[] = {TABLE_TEXT, TABLE_MD, TABLE_TEX};
    for (size_t i = 0; i < 3; i++) {
        struct text out = {0};
        table_words(&out, words, formats[i]);
        assert_string_equal(out.data, expected[formats[i]]);
        text_free(&out);
    }
}

/* A quotation mark that the default encoding has, and no letters that are joined to others. */
static void tex_joins_no_letters(void **state)
{
    (void)state;
    const struct table_cell cells[] = {{.text = "\"a\" ?` a---b"}, {.text = "-1"}, {NULL}};
    struct table table = {3, 1, heads, right, cells, 0};
    struct text out = {0};
    table_write(&out, &table, TABLE_TEX);
    assert_non_null(strstr(out.data, "\n{\\char34}a{\\char34} ?{`} a-{}-{}-b & -1 &  \\\\\n"));
    text_free(&out);
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
        cmocka_unit_test(csv_fields_are_no_formulas),
        cmocka_unit_test(words_are_escaped_as_the_table_is),
        cmocka_unit_test(tex_joins_no_letters),
        cmocka_unit_test(tex_escapes_its_ten_characters_and_arguments),
        cmocka_unit_test(json_numbers_are_numbers),
        cmocka_unit_test(html_escapes_text_and_titles),
        cmocka_unit_test(groups_are_set_apart),
        cmocka_unit_test(format_names_match),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
