/* The YAML tree: positions, what is refused and how, limits, replacing, writing. */
#include "config_arena.h"

/* The message that a text is refused with. */
static const char *refusal(struct arena *arena, const char *text, size_t length)
{
    struct err err = {0};
    struct yaml *tree;
    if (!yaml_parse(&tree, arena, "x.yaml", text, length, &err))
        return "accepted";
    assert_int_equal(err.status, STATUS_CONFIG);
    return arena_strdup(arena, err.text);
}

static const char *written(struct arena *arena, const struct yaml *tree)
{
    struct text out = {0};
    yaml_write(&out, tree);
    return kept(arena, &out);
}

/* A long text: head, then unit again and again, then tail. */
static char *repeated(struct arena *arena, const char *head, const char *unit, int times,
                      const char *tail)
{
    struct text text = {0};
    text_puts(&text, head);
    for (int i = 0; i < times; i++)
        text_puts(&text, unit);
    text_puts(&text, tail);
    char *copy = arena_strdup(arena, text.data);
    text_free(&text);
    return copy;
}

static void assert_at(const struct yaml *node, int line, int col)
{
    assert_non_null(node);
    assert_string_equal(node->file, "x.yaml");
    assert_int_equal(node->line, line);
    assert_int_equal(node->col, col);
}

static void nodes_know_their_place(void **state)
{
    const struct yaml *t = parse(*state, "# comment\n"
                                         "train:\n"
                                         "  lr: 1.0e-3   # rate\n"
                                         "  \xC3\xA9t\xC3\xA9: {b: [x, \"y\"]}\n"
                                         "list:\n"
                                         "- 1\n"
                                         "- two words\n"
                                         "-\n");
    assert_int_equal(t->kind, YAML_MAP);
    assert_int_equal(t->count, 2);
    assert_at(t, 2, 1);
    assert_at(t->keys[0], 2, 1);
    const struct yaml *train = yaml_get(t, "train");
    assert_at(train, 3, 3);
    assert_at(train->keys[0], 3, 3);
    assert_at(yaml_get(train, "lr"), 3, 7);
    assert_string_equal(yaml_get(train, "lr")->text, "1.0e-3");
    /* columns count characters, not bytes */
    const struct yaml *b = yaml_get(yaml_get(train, "\xC3\xA9t\xC3\xA9"), "b");
    assert_at(b, 4, 12);
    assert_at(b->items[1], 4, 16);
    assert_true(b->items[1]->quoted);
    assert_false(b->items[0]->quoted);
    const struct yaml *list = yaml_get(t, "list");
    assert_int_equal(list->kind, YAML_LIST);
    assert_int_equal(list->count, 3);
    assert_string_equal(list->items[1]->text, "two words");
    assert_int_equal(list->items[2]->kind, YAML_NULL);
    assert_null(yaml_get(t, "absent"));
    assert_null(yaml_get(list, "absent"));
    assert_null(yaml_get(NULL, "absent"));
}

static void empty_is_null(void **state)
{
    static const char *const nothing[] = {"",  "\n\n", "# only a comment\n", "---\n",
                                          "~", "null", "\xEF\xBB\xBF"};
    for (size_t i = 0; i < sizeof nothing / sizeof *nothing; i++)
        assert_int_equal(parse(*state, nothing[i])->kind, YAML_NULL);
    assert_at(parse(*state, ""), 1, 1);
    const struct yaml *t = parse(*state, "[\"\", '~', 'null', nULL, no]");
    for (size_t i = 0; i < t->count; i++)
        assert_int_equal(t->items[i]->kind, YAML_SCALAR);
}

static void what_is_refused_and_how(void **state)
{
    static const struct {
        const char *text, *message;
    } cases[] = {
        {"a: 1\nb:\n\tc: 2\n", "x.yaml:3:1: tab character in the indentation; use spaces"},
        {"\ta: 1\n", "x.yaml:1:1: tab character in the indentation; use spaces"},
        {"a: 1\r\n\tb: 2\r\n", "x.yaml:2:1: tab character in the indentation; use spaces"},
        {"a: x\n\ty\n", "x.yaml:2:1: tab character in the indentation; use spaces"},
        {"a: |\n\ttext\n", "x.yaml:2:1: tab character in the indentation; use spaces"},
        {"a: @x\n", "x.yaml:1:4: '@' cannot start a value; put it in quotes"},
        {"\xC3\xA9: `x\n", "x.yaml:1:4: '`' cannot start a value; put it in quotes"},
        {"lr: 1\nb: 3\nlr: 2\n", "x.yaml:3:1: key 'lr' given twice; first at 1:1"},
        {"lr: 1\n'lr': 2\n", "x.yaml:2:1: key 'lr' given twice; first at 1:1"},
        {"{   lr: 1,\n lr: 2}\n", "x.yaml:2:2: key 'lr' given twice; first at 1:5"},
        {"\xEF\xBB\xBF"
         "a: @x\n",
         "x.yaml:1:4: '@' cannot start a value; put it in quotes"},
        {"a: {b: [1, {c: 1, d: 0, c: 2}]}\n",
         "x.yaml:1:25: a.b[1]: key 'c' given twice; first at 1:13"},
        {"a:\n  b:\n    c: 1\n    c: 2\n", "x.yaml:4:5: a.b: key 'c' given twice; first at 3:5"},
        {"\"a\\nb\": {c: 1, c: 2}\n", "x.yaml:1:16: a?b: key 'c' given twice; first at 1:10"},
        {"a: 1\n---\nb: 2\n", "x.yaml:2:1: a second document starts here; one file holds one"},
        {"--- \n--- \n", "x.yaml:2:1: a second document starts here; one file holds one"},
        {"a: !!float 3\n", "x.yaml:1:4: tags ('!') are not supported"},
        {"a: ! 3\n", "x.yaml:1:4: tags ('!') are not supported"},
        {"a: !x [3]\n", "x.yaml:1:4: tags ('!') are not supported"},
        {"!!map {a: 3}\n", "x.yaml:1:1: tags ('!') are not supported"},
        {"!!str a: 3\n", "x.yaml:1:1: tags ('!') are not supported"},
        {"[a, b]: 3\n", "x.yaml:1:1: a key must be plain text"},
        {"{a: 1}: 3\n", "x.yaml:1:1: a key must be plain text"},
        {"- &k a\n- {*k : 3}\n", "x.yaml:2:4: a key must be plain text"},
        {"&k a: 3\n", "x.yaml:1:1: a key must be plain text"},
        {"? \n: 3\n", "x.yaml:1:2: empty key"},
        {"a: &b {c: 1}\nd:\n  <<: *b\n", "x.yaml:3:3: merge keys ('<<') are not part of YAML 1.2"},
        {"a: *b\n", "x.yaml:1:4: alias '*b' has no anchor before it"},
        {"a: &b [1, *b]\n", "x.yaml:1:11: '*b' contains itself"},
        {"&r\na: {c: *r}\n", "x.yaml:2:8: '*r' contains itself"},
        {"a: \"x\\0y\"\n", "x.yaml:1:4: text with a NUL character"},
        {"a: 1\nb: \xFF\n", "x.yaml:2:4: not valid UTF-8 (invalid leading UTF-8 octet)"},
        {"a: \xC3", "x.yaml:1:4: not valid UTF-8 (incomplete UTF-8 octet sequence)"},
        {"\xC3\xA9: \xE2\x82"
         "x\n",
         "x.yaml:1:5: not valid UTF-8 (invalid trailing UTF-8 octet)"},
        {"\xFF\xFE"
         "a",
         "x.yaml:1:1: not valid UTF-8 (invalid leading UTF-8 octet)"},
        {"a: \x1B[0m\n", "x.yaml:1:4: control character 0x1b; expected a text file"},
        {"a: b: c\n", "x.yaml:1:5: not valid YAML: mapping values are not allowed in this context"},
        {"a: 1\nb: [1, 2\nc: 3\n", "x.yaml:3:2: not valid YAML: did not find expected ',' or ']' "
                                   "(while parsing a flow sequence that starts at 2:4)"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_string_equal(refusal(*state, cases[i].text, strlen(cases[i].text)),
                            cases[i].message);
    assert_string_equal(refusal(*state, "ab: 1\nc\0d: 2\n", 13),
                        "x.yaml:2:2: control character 0x00; expected a text file");
}

static void aliases_are_shared(void **state)
{
    const struct yaml *t = parse(*state, "a: &x {k: [1]}\nb: *x\nc: &x 2\nd: *x\n");
    assert_ptr_equal(yaml_get(t, "a"), yaml_get(t, "b"));
    assert_string_equal(yaml_get(t, "d")->text, "2"); /* a name given again: the latest counts */
    assert_string_equal(written(*state, t), "{a: {k: [1]}, b: {k: [1]}, c: 2, d: 2}");
}

static void anchor_bombs_are_refused(void **state)
{
    const char *bomb = "a: &a [x,x,x,x,x,x,x,x,x,x]\n"
                       "b: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\n"
                       "c: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]\n"
                       "d: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c,*c]\n";
    /* 10 + 100 + 1000 + 10000 leaves and their lists: fine; ten times more is not */
    assert_string_equal(refusal(*state, bomb, strlen(bomb)), "accepted");
    const char *more = arena_printf(*state, "%se: [*d,*d,*d,*d,*d,*d,*d,*d,*d,*d]\n", bomb);
    assert_non_null(strstr(refusal(*state, more, strlen(more)), "expands to more than 100000"));
    /* few nodes, but much text */
    const char *text = repeated(*state, "- &a ", "0123456789", 6000, "\n- [*a");
    text = repeated(*state, text, ",*a", 104, "]\n");
    assert_string_equal(refusal(*state, text, strlen(text)), "accepted");
    text = repeated(*state, text, "- *a\n", 2, "");
    assert_non_null(strstr(refusal(*state, text, strlen(text)), "expands to more than 100000"));
    /* each alias deepens what it points to */
    struct text deep = {0};
    text_puts(&deep, "a0: &a0 [1]\n");
    for (int i = 1; i < 200; i++)
        text_printf(&deep, "a%d: &a%d [*a%d, 1]\n", i, i, i - 1);
    assert_string_equal(refusal(*state, deep.data, deep.length),
                        "x.yaml:63:12: nested deeper than 64 levels");
    text_free(&deep);
}

static void limits_are_exact(void **state)
{
    static const struct {
        const char *head, *unit, *tail;
        int most;
        const char *message;
    } cases[] = {
        {"", "[", "", YAML_DEPTH, "did not find expected"}, /* the 65th is refused before the end */
        {"a: ", "x", "", YAML_SCALAR_BYTES, NULL},
        {"", "k", ": 1", YAML_KEY_BYTES, NULL},
        {"- 0", "\n- &a 1", "", YAML_ANCHORS, NULL},
        {"", "# 45678\n", "", YAML_BYTES / 8, NULL},
        {"", "- 1\n", "", YAML_NODES - 1, NULL},
    };
    static const char *const over[] = {
        "x.yaml:1:65: nested deeper than 64 levels",
        "x.yaml:1:4: text longer than 65536 bytes",
        "x.yaml:1:1: key longer than 128 bytes",
        "x.yaml:1002:3: more than 1000 anchors",
        "x.yaml: larger than 1048576 bytes",
        "x.yaml:100000:3: the document expands to more than 100000 values (an alias counts as all "
        "it stands for)",
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *text = repeated(*state, cases[i].head, cases[i].unit, cases[i].most, cases[i].tail);
        const char *message = refusal(*state, text, strlen(text));
        if (cases[i].message)
            assert_non_null(strstr(message, cases[i].message));
        else
            assert_string_equal(message, "accepted");
        text = repeated(*state, cases[i].head, cases[i].unit, cases[i].most + 1, cases[i].tail);
        assert_string_equal(refusal(*state, text, strlen(text)), over[i]);
    }
}

static const char *replaced(struct arena *arena, const char *map, const char *path,
                            const char *value)
{
    struct err err;
    struct yaml *tree = *map ? parse(arena, map) : NULL, *out, *item;
    if (yaml_parse(&item, arena, "--set", value, strlen(value), &err))
        fail_msg("%s", err.text);
    const char *before = tree ? written(arena, tree) : NULL;
    if (yaml_replace(&out, arena, tree, path, item, &err)) {
        assert_int_equal(err.status, STATUS_CONFIG);
        return arena_strdup(arena, err.text);
    }
    if (tree)
        assert_string_equal(written(arena, tree), before); /* the original stays as it was */
    return written(arena, out);
}

static void replace_puts_a_value_at_a_path(void **state)
{
    struct arena *a = *state;
    const char *doc = "t: {train: {lr: 1, n: 2}, model: x}\nu: 3\nv:\n";
    assert_string_equal(replaced(a, doc, "t.train.lr", "2e-3"),
                        "{t: {train: {lr: 2e-3, n: 2}, model: x}, u: 3, v: null}");
    /* the whole value is replaced, nothing is merged */
    assert_string_equal(replaced(a, doc, "t.train", "{lr: 5}"),
                        "{t: {train: {lr: 5}, model: x}, u: 3, v: null}");
    assert_string_equal(replaced(a, doc, "w.x.y", "[1]"),
                        "{t: {train: {lr: 1, n: 2}, model: x}, u: 3, v: null, w: {x: {y: [1]}}}");
    assert_string_equal(replaced(a, doc, "v.x", "1"),
                        "{t: {train: {lr: 1, n: 2}, model: x}, u: 3, v: {x: 1}}");
    assert_string_equal(replaced(a, "", "a.b", "1"), "{a: {b: 1}}");
    assert_string_equal(replaced(a, doc, "u.x", "1"),
                        "--set:1:1: u.x: 'u' is not a section (x.yaml:2:4)");
    assert_string_equal(replaced(a, doc, "t.model.x.y", "1"),
                        "--set:1:1: t.model.x.y: 't.model' is not a section (x.yaml:1:34)");
    assert_string_equal(replaced(a, doc, "t..x", "1"),
                        "--set:1:1: 't..x' is not a key or a path of keys (a.b.c)");
    assert_string_equal(replaced(a, doc, "", "1"),
                        "--set:1:1: '' is not a key or a path of keys (a.b.c)");
    assert_string_equal(replaced(a, doc, "t.", "1"),
                        "--set:1:1: 't.' is not a key or a path of keys (a.b.c)");
    const char *path = repeated(a, "a", ".a", YAML_DEPTH, "");
    assert_non_null(strstr(replaced(a, doc, path, "1"), "is not a key or a path of keys"));
}

/* A value that an alias shares is replaced in one place only. */
static void replace_leaves_aliases_alone(void **state)
{
    assert_string_equal(replaced(*state, "a: &x {k: 1}\nb: *x\n", "a.k", "2"),
                        "{a: {k: 2}, b: {k: 1}}");
}

static void assert_same(const struct yaml *a, const struct yaml *b)
{
    assert_int_equal(a->kind, b->kind);
    if (a->kind == YAML_SCALAR) {
        assert_string_equal(a->text, b->text);
        assert_int_equal(a->quoted, b->quoted);
    }
    assert_int_equal(a->count, b->count);
    for (size_t i = 0; i < a->count; i++) {
        if (a->kind == YAML_MAP)
            assert_string_equal(a->keys[i]->text, b->keys[i]->text);
        assert_same(a->items[i], b->items[i]);
    }
}

static void written_text_reads_back(void **state)
{
    static const char *const texts[] = {
        "{a: 1.0e-3, b: [-1, +2.5, -.5, .5, x_y, a-b, a/b.c, n@m], c: {}, d: [], e: null}",
        "['1', \"true\", 'null', '~', '', ' ', '-', '---', '...', '#', 'a: b', 'a #b', '[x']",
        "{'': x}",
        "[\"\\t\\n\\r\\x01\\x7f\\x85\\xa0\\u2028\\u2029\\ufeff\\uffff\\U0001F600\"]",
        "[\"q\\\"\\\\\", '\xC3\xA9\xE2\x82\xAC', \"a\\u0301\"]",
        "|\n  two\n  lines\n",
        "['a  b', \"a \\u2028 b\", \"a \\x85 b\", -a, ..b, --c]",
        "{'true': 1, '1': 2, null: 3, ~: 4, 'a b': 5, \"\\n\": 6, '<<': 7}",
        "x",
        "",
        "'---'"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct err err;
        struct yaml *tree;
        if (yaml_parse(&tree, *state, "x.yaml", texts[i], strlen(texts[i]), &err)) {
            assert_string_equal(texts[i], "{'': x}"); /* the one that is refused here */
            continue;
        }
        const char *again = written(*state, tree);
        assert_same(tree, parse(*state, again));
        assert_null(strchr(again, '\n'));
    }
    /* what stands alone as it is becomes quoted between brackets, and stays text */
    assert_string_equal(written(*state, parse(*state, "a: x, y] z\nb: hello world\n")),
                        "{a: \"x, y] z\", b: \"hello world\"}");
    assert_string_equal(written(*state, parse(*state, "MP+Tr+BCE: {t.loss: {dice: {w: 1.0}}}")),
                        "{MP+Tr+BCE: {t.loss: {dice: {w: 1.0}}}}");
}

static void messages_show_long_text_cut(void **state)
{
    assert_string_equal(yaml_shown(*state, "a\nb\x7F"), "a?b?");
    const char *shown = yaml_shown(*state, repeated(*state, "x", "\xC3\xA9", 40, ""));
    assert_string_equal(shown, repeated(*state, "x", "\xC3\xA9", 29, "..."));
    char *longest = repeated(*state, "", "y", 60, "");
    assert_string_equal(yaml_shown(*state, longest), longest);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ARENA_TEST(nodes_know_their_place),         ARENA_TEST(empty_is_null),
        ARENA_TEST(what_is_refused_and_how),        ARENA_TEST(aliases_are_shared),
        ARENA_TEST(anchor_bombs_are_refused),       ARENA_TEST(limits_are_exact),
        ARENA_TEST(replace_puts_a_value_at_a_path), ARENA_TEST(replace_leaves_aliases_alone),
        ARENA_TEST(written_text_reads_back),        ARENA_TEST(messages_show_long_text_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
