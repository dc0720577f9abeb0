/* Numbers, text, hashes and random draws against published values. */
#include "base/csv.h"
#include "base/json.h"
#include "base/memory.h"
#include "base/random.h"
#include "base/sha256.h"
#include "base/text.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Known-answer vectors of the Random123 distribution (kat_vectors, philox4x32 10). */
static void philox_gives_the_published_numbers(void **state)
{
    (void)state;
    static const struct {
        struct philox counter;
        uint32_t key[2];
        struct philox expected;
    } vectors[] = {
        {{{0, 0, 0, 0}}, {0, 0}, {{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}}},
        {{{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}},
         {0xffffffff, 0xffffffff},
         {{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}}},
        {{{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}},
         {0xa4093822, 0x299f31d0},
         {{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}}},
    };
    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
        struct philox got = philox4x32(vectors[i].counter, vectors[i].key[0], vectors[i].key[1]);
        assert_memory_equal(&got, &vectors[i].expected, sizeof got);
    }
}

static void streams_are_functions_of_seed_and_name(void **state)
{
    (void)state;
    struct stream a = stream_new(1, "order"), b = stream_new(1, "order"),
                  c = stream_new(2, "order"), d = stream_new(1, "weights");
    int same_seed = 0, same_name = 0;
    for (int i = 0; i < 1000; i++) {
        uint32_t x = stream_u32(&a);
        assert_int_equal(x, stream_u32(&b));
        same_seed += x == stream_u32(&d);
        same_name += x == stream_u32(&c);
    }
    assert_true(same_seed < 3 && same_name < 3);
}

static void draws_have_the_right_moments(void **state)
{
    (void)state;
    enum { COUNT = 200000 };
    struct stream stream = stream_new(7, "moments");
    double sum = 0, squares = 0, uniform = 0;
    uint32_t below[3] = {0};
    for (int i = 0; i < COUNT; i++) {
        double x = stream_normal(&stream), u = stream_uniform(&stream);
        assert_true(u > 0 && u < 1);
        sum += x, squares += x * x, uniform += u;
        below[stream_below(&stream, 3)]++;
    }
    /* five standard errors */
    assert_true(fabs(sum / COUNT) < 5 / sqrt(COUNT));
    assert_true(fabs(squares / COUNT - 1) < 5 * sqrt(2.0 / COUNT));
    assert_true(fabs(uniform / COUNT - 0.5) < 5 * sqrt(1.0 / 12 / COUNT));
    for (int i = 0; i < 3; i++)
        assert_true(fabs(below[i] - COUNT / 3.0) < 5 * sqrt(COUNT * 2.0 / 9));
}

static void floats_never_reach_the_ends(void **state)
{
    (void)state;
    assert_true(uniform_open(0) > 0);
    assert_true(uniform_open(UINT32_MAX) < 1);
    for (uint32_t i = 1; i < 1000; i++) {
        assert_true(uniform_open(i << 9) > uniform_open((i - 1) << 9));
        assert_true(uniform_open(UINT32_MAX - (i << 9)) <
                    uniform_open(UINT32_MAX - ((i - 1) << 9)));
    }
}

static void a_shuffle_is_a_permutation(void **state)
{
    (void)state;
    enum { COUNT = 1000 };
    uint32_t items[COUNT], seen[COUNT] = {0}, moved = 0;
    for (uint32_t i = 0; i < COUNT; i++)
        items[i] = i;
    struct stream stream = stream_new(3, "shuffle");
    stream_shuffle(&stream, items, COUNT);
    for (uint32_t i = 0; i < COUNT; i++) {
        seen[items[i]]++;
        moved += items[i] != i;
    }
    for (int i = 0; i < COUNT; i++)
        assert_int_equal(seen[i], 1);
    assert_true(moved > COUNT - 20);
}

/* FIPS 180-4 examples. */
static void sha256_gives_the_published_digests(void **state)
{
    (void)state;
    assert_string_equal(sha256_of("abc", 3).hex,
                        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_string_equal(sha256_of("", 0).hex,
                        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    static const char two_blocks[] = "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
    struct sha256 *sha = sha256_new();
    sha256_add(sha, two_blocks, 10);
    sha256_add(sha, two_blocks + 10, sizeof two_blocks - 1 - 10);
    assert_string_equal(sha256_end(sha).hex,
                        "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
}

static void ids_are_sixty_four_lower_hex_digits(void **state)
{
    (void)state;
    char id[66] = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    assert_true(id_valid(id));
    id[0] = 'B';
    assert_false(id_valid(id));
    id[0] = 'g';
    assert_false(id_valid(id));
    memcpy(id, "bbb", 3), id[63] = '\0';
    assert_false(id_valid(id));
}

static void numbers_are_shortest_and_exact(void **state)
{
    (void)state;
    char buf[NUMBER_TEXT];
    assert_string_equal(number_text(buf, 0.1), "0.1");
    assert_string_equal(number_text(buf, 1e-3), "0.001");
    assert_string_equal(number_text(buf, 1e-8), "1e-08");
    assert_string_equal(number_text(buf, 2.0), "2");
    assert_string_equal(number_text(buf, -0.0), "0");
    assert_string_equal(number_text(buf, NAN), "nan");
    assert_string_equal(number_text(buf, -INFINITY), "-inf");
    assert_string_equal(number_text(buf, 1.0 / 3), "0.3333333333333333");
    struct stream stream = stream_new(5, "numbers");
    for (int i = 0; i < 20000; i++) {
        double value = ldexp(stream_normal(&stream), (int)stream_below(&stream, 200) - 100);
        assert_true(strtod(number_text(buf, value), NULL) == value);
    }
}

static void units_read_well(void **state)
{
    (void)state;
    char buf[NUMBER_TEXT];
    assert_string_equal(bytes_text(buf, 999), "999 B");
    assert_string_equal(bytes_text(buf, 89455104), "89.5 MB");
    assert_string_equal(bytes_text(buf, 123456789012.0), "123 GB");
    assert_string_equal(duration_text(buf, 0.42), "0.4 s");
    assert_string_equal(duration_text(buf, 200), "3 min 20 s");
    assert_string_equal(duration_text(buf, 7500), "2 h 5 min");
    assert_string_equal(duration_text(buf, NAN), "-");
    assert_string_equal(duration_text(buf, INFINITY), "-");
}

static void a_near_word_is_suggested_and_a_far_one_is_not(void **state)
{
    (void)state;
    static const char *const words[] = {"epochs", "batch", "optimizer"};
    assert_int_equal(edit_distance("kitten", "sitting"), 3);
    assert_int_equal(edit_distance("", "abc"), 3);
    assert_string_equal(nearest_word("epoch", words, 3), "epochs");
    assert_string_equal(nearest_word("optimiser", words, 3), "optimizer");
    assert_null(nearest_word("channels", words, 3));
}

/* The layout is the caller's; what has no members is its brackets. */
static void json_is_as_it_is_laid_out(void **state)
{
    (void)state;
    struct json json = {0};
    json_begin(&json, NULL, "{\n *,\n *\n}\n");
    json_text(&json, "text", "a\"b\\c\n\x01");
    json_text(&json, "none", NULL);
    json_begin(&json, "numbers", "[*, *]");
    json_number(&json, NULL, 0.1);
    json_number(&json, NULL, NAN);
    json_number(&json, NULL, -INFINITY);
    json_raw(&json, NULL, "%d", 7);
    json_begin(&json, NULL, "[\n*,\n*\n]");
    json_end(&json);
    json_end(&json);
    json_begin(&json, "k\"", "{\n*,\n*\n}");
    json_end(&json);
    json_end(&json);
    assert_string_equal(json.text.data,
                        "{\n \"text\": \"a\\\"b\\\\c\\u000a\\u0001\",\n \"none\": null,\n"
                        " \"numbers\": [0.1, null, null, 7, []],\n \"k\\\"\": {}\n}\n");
    text_free(&json.text);
    json = (struct json){.tight = true};
    json_begin(&json, NULL, "{*,*}");
    json_number(&json, "a", 1);
    json_number(&json, "b", 2);
    json_end(&json);
    assert_string_equal(json.text.data, "{\"a\":1,\"b\":2}");
    text_free(&json.text);
}

static void json_is_utf8_whatever_the_text_is(void **state)
{
    (void)state;
    struct json json = {0};
    /* RFC 3629: longer than need be, a surrogate, beyond the last, cut off; then what is valid */
    json_text(&json, NULL,
              "\xc0\xaf \xed\xa0\x80 \xf4\x90\x80\x80 \xe2\x82 caf\xe9 "
              "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80");
    assert_string_equal(json.text.data,
                        "\"\\ufffd\\ufffd \\ufffd\\ufffd\\ufffd \\ufffd\\ufffd\\ufffd\\ufffd "
                        "\\ufffd\\ufffd caf\\ufffd \xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"");
    text_free(&json.text);
}

static void text_escapes_what_it_must(void **state)
{
    (void)state;
    struct text text = {0};
    text_html(&text, "<a href='x'>&\"");
    assert_string_equal(text.data, "&lt;a href=&#39;x&#39;&gt;&amp;&quot;");
    text_free(&text);
    text_csv(&text, "it's plain");
    text_add(&text, ",", 1);
    text_csv(&text, "a,b");
    text_csv(&text, "c\"");
    text_csv(&text, "d\n");
    text_csv(&text, "\r");
    assert_string_equal(text.data, "it's plain,\"a,b\"\"c\"\"\"\"d\n\"\"'\r\"");
    text_free(&text);
    char *empty = text_take(&text);
    assert_string_equal(empty, "");
    free(empty);
}

/* A spreadsheet runs what looks like a formula. */
static void csv_fields_are_no_formulas(void **state)
{
    (void)state;
    static const char *const fields[][2] = {{"=1+2", "'=1+2"},
                                            {"+1", "'+1"},
                                            {"-1", "-1"},
                                            {"-1.5e-3", "-1.5e-3"},
                                            {"-x", "'-x"},
                                            {"@sum(a)", "'@sum(a)"},
                                            {"-1+cmd|' /C'!A0", "'-1+cmd|' /C'!A0"},
                                            {"\t=1", "'\t=1"},
                                            {"-1,5", "\"'-1,5\""},
                                            {"'=1", "''=1"},
                                            {"a=b", "a=b"},
                                            {"", ""},
                                            {"-", "'-"}};
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        struct text text = {0};
        text_csv(&text, fields[i][0]);
        assert_string_equal(text.data, fields[i][1]);
        text_free(&text);
    }
}

static void a_csv_table_is_read_as_it_was_written(void **state)
{
    (void)state;
    static const char bytes[] = "id,\"x, \"\"y\"\"\",'=z\r\n\"two\nlines\",-0.5,\nb,1e3,'-";
    static const struct {
        const char *bytes, *error;
    } bad[] = {{"", "it is empty"},
               {"a,b\n\"1\n2\",3\n4\n", "line 4 does not have 2 fields"},
               {"a\n1,2\n", "line 2 does not have 1 fields"},
               {"a\n\"b\"c\n", "line 2 has a stray quote or line break"},
               {"a\n\n\"b\n", "line 3 has a stray quote or line break"},
               {"a\rb", "line 1 has a stray quote or line break"}};
    struct arena arena = {0};
    struct csv csv;
    struct err err;
    double numbers[2];
    assert_int_equal(csv_parse(&csv, &arena, bytes, strlen(bytes), &err), 0);
    assert_true(csv.columns == 3 && csv.rows == 2);
    assert_string_equal(csv.heads[1], "x, \"y\"");
    assert_string_equal(csv.heads[2], "=z");
    assert_string_equal(csv.cells[0], "two\nlines");
    assert_string_equal(csv.cells[2], "");
    assert_string_equal(csv.cells[5], "-");
    assert_int_equal(csv_column(&csv, "=z"), 2);
    assert_int_equal(csv_column(&csv, "z"), 3);
    assert_int_equal(csv_numbers(numbers, &csv, 1, &err), 0);
    assert_true(numbers[0] == -0.5 && numbers[1] == 1000);
    assert_int_equal(csv_numbers(numbers, &csv, 2, &err), -1);
    assert_true(isnan(numbers[0]));
    assert_string_equal(err.text, "'-' in row 2 of column '=z' is not a number");
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(csv_parse(&csv, &arena, bad[i].bytes, strlen(bad[i].bytes), &err), -1);
        assert_int_equal(err.status, STATUS_BAD_DATA);
        assert_string_equal(err.text, bad[i].error);
    }
    assert_int_equal(csv_parse(&csv, &arena, "a\0b", 3, &err), -1);
    assert_string_equal(err.text, "it contains a NUL byte");
    arena_free(&arena);
}

static void arenas_give_zeroed_aligned_memory_of_any_size(void **state)
{
    (void)state;
    struct arena arena = {0};
    for (size_t size = 1; size < 300000; size = size * 3 + 1) {
        unsigned char *bytes = arena_alloc(&arena, size);
        assert_int_equal((uintptr_t)bytes % 16, 0);
        for (size_t i = 0; i < size; i++)
            assert_int_equal(bytes[i], 0);
        memset(bytes, 255, size);
    }
    assert_string_equal(arena_printf(&arena, "%s-%d", "x", 7), "x-7");
    arena_free(&arena);
}

/* Also where it shrinks on the way, and so is given other room when it grows again. */
static void a_list_grows_by_one(void **state)
{
    (void)state;
    int *items = NULL, count = 0;
    for (int i = 0; i < 1000; i++)
        *ARRAY_ADD(items, count) = i;
    count = 5;
    for (int i = 5; i < 3000; i++)
        *ARRAY_ADD(items, count) = 2 * i;
    assert_int_equal(count, 3000);
    for (int i = 0; i < count; i++)
        assert_int_equal(items[i], i < 5 ? i : 2 * i);
    free(items);
}

static void a_list_in_an_arena_grows_by_one(void **state)
{
    (void)state;
    struct arena arena = {0};
    int *items = NULL, *before = NULL, count = 0, moved = 0;
    for (int i = 0; i < 3000; i++) {
        *ARENA_ADD(&arena, items, count) = 2 * i;
        assert_int_equal(*arena_strdup(&arena, "x"), 'x'); /* what lies behind it is another's */
        moved += items != before;
        before = items;
    }
    assert_int_equal(count, 3000);
    for (int i = 0; i < count; i++)
        assert_int_equal(items[i], 2 * i);
    assert_int_equal(moved, 10); /* room for 8, 16, ..., 4096 */
    arena_free(&arena);
}

static void what_grows_with_the_data_may_fail(void **state)
{
    (void)state;
    struct arena arena = {0};
    struct err err;
    void *block;
    assert_int_equal(arena_block(&block, &arena, 300, 1000, &err), 0);
    assert_int_equal(((unsigned char *)block)[299999], 0);
    assert_int_equal(arena_block(&block, &arena, SIZE_MAX / 2, 3, &err), -1);
    assert_int_equal(err.status, STATUS_FAILED);
    assert_string_equal(err.text, "out of memory: 9223372036854775807 x 3 bytes");
    assert_int_equal(arena_block(&block, &arena, 1, SIZE_MAX - 4, &err), -1);
    assert_string_equal(arena_strdup(&arena, "still of use"), "still of use");
    arena_free(&arena);
}

static void text_in_utf8(void **state)
{
    (void)state;
    /* the ends of what two, three and four bytes can say, and what is just beyond (RFC 3629) */
    static const char *const good[] = {"",
                                       "plain ~",
                                       "c\xc3\xa9lula",
                                       "\xc2\xa0",
                                       "\xdf\xbf",
                                       "\xe0\xa0\x80",
                                       "\xed\x9f\xbf",
                                       "\xee\x80\x80",
                                       "\xef\xbf\xbf",
                                       "\xf0\x90\x80\x80",
                                       "\xf4\x8f\xbf\xbf"};
    static const char *const bad[] = {"c\xe9lula",
                                      "\x80",
                                      "\xc1\xbf",
                                      "\xc3",
                                      "\xe2\x82",
                                      "\xe0\x9f\xbf",
                                      "\xed\xa0\x80",
                                      "\xf0\x8f\xbf\xbf",
                                      "\xf4\x90\x80\x80",
                                      "\xf8\x88\x80\x80\x80",
                                      "\xff"};
    static const char *const controls[] = {"a\tb",     "a\n",          "\x1b[1m",     "\x7f",
                                           "\xc2\x85", "\xe2\x80\xa8", "\xe2\x80\xa9"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        if (!text_is_utf8(good[i]) || !text_is_plain(good[i]))
            fail_msg("'%s' is refused", good[i]);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (text_is_utf8(bad[i]) || text_is_plain(bad[i]))
            fail_msg("case %zu is accepted", i);
    for (size_t i = 0; i < sizeof controls / sizeof *controls; i++)
        if (!text_is_utf8(controls[i]) || text_is_plain(controls[i]))
            fail_msg("control %zu", i);
    assert_true(ends_like("A.NII.Gz", ".nii.gz"));
    assert_false(ends_like("gz", ".gz"));
}

static void blocks_are_metered(void **state)
{
    (void)state;
    struct meter meter = {0};
    struct err err;
    void *a, *b;
    assert_int_equal(block_alloc(&a, 1000, &meter, &err), 0);
    assert_int_equal(block_alloc(&b, 500, &meter, &err), 0);
    block_free(a, 1000, &meter);
    assert_int_equal(meter.now, 500);
    assert_int_equal(meter.peak, 1500);
    block_free(b, 500, &meter);
    assert_int_equal(block_alloc(&a, SIZE_MAX, &meter, &err), -1);
    assert_int_equal(meter.now, 0);
}

/* Where the sanitizer has zones of its own, these writes would end the program. */
static void writes_beside_blocks_are_found(void **state)
{
    (void)state;
#if defined __SANITIZE_ADDRESS__
    skip();
#endif
    static const ptrdiff_t beside[] = {-1, -2048, 1024, 1100, 3000};
    struct meter meter = {0};
    struct err err;
    void *a, *b;
    assert_int_equal(block_alloc(&a, 1000, &meter, &err), 0);
    assert_int_equal(block_alloc(&b, 500, &meter, &err), 0);
    memset(a, 1, 1000);
    memset(b, 2, 500);
    assert_int_equal(blocks_check(&meter, &err), 0);
    for (size_t i = 0; i < sizeof beside / sizeof *beside; i++) {
        volatile unsigned char *byte = (unsigned char *)a + beside[i];
        unsigned char was = *byte;
        *byte = (unsigned char)~was;
        assert_int_equal(blocks_check(&meter, &err), -1);
        assert_string_equal(err.text, "memory next to a block of 1000 bytes was overwritten");
        *byte = was;
    }
    block_free(a, 1000, &meter);
    assert_int_equal(blocks_check(&meter, &err), 0);
    block_free(b, 500, &meter);
    assert_int_equal(blocks_check(&meter, &err), 0);
}

static void errors_gather_context(void **state)
{
    (void)state;
    struct err err;
    assert_int_equal(fail_as(&err, STATUS_BAD_DATA, "bad %d", 3), -1);
    assert_int_equal(wrap(&err, "while %s", "reading"), -1);
    assert_string_equal(err.text, "while reading: bad 3");
    assert_int_equal(err.status, STATUS_BAD_DATA);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(philox_gives_the_published_numbers),
        cmocka_unit_test(streams_are_functions_of_seed_and_name),
        cmocka_unit_test(draws_have_the_right_moments),
        cmocka_unit_test(floats_never_reach_the_ends),
        cmocka_unit_test(a_shuffle_is_a_permutation),
        cmocka_unit_test(sha256_gives_the_published_digests),
        cmocka_unit_test(ids_are_sixty_four_lower_hex_digits),
        cmocka_unit_test(numbers_are_shortest_and_exact),
        cmocka_unit_test(units_read_well),
        cmocka_unit_test(a_near_word_is_suggested_and_a_far_one_is_not),
        cmocka_unit_test(json_is_as_it_is_laid_out),
        cmocka_unit_test(json_is_utf8_whatever_the_text_is),
        cmocka_unit_test(text_escapes_what_it_must),
        cmocka_unit_test(csv_fields_are_no_formulas),
        cmocka_unit_test(a_csv_table_is_read_as_it_was_written),
        cmocka_unit_test(arenas_give_zeroed_aligned_memory_of_any_size),
        cmocka_unit_test(a_list_grows_by_one),
        cmocka_unit_test(a_list_in_an_arena_grows_by_one),
        cmocka_unit_test(what_grows_with_the_data_may_fail),
        cmocka_unit_test(text_in_utf8),
        cmocka_unit_test(blocks_are_metered),
        cmocka_unit_test(writes_beside_blocks_are_found),
        cmocka_unit_test(errors_gather_context),
    };
    return cmocka_run_group_tests_name("values", tests, NULL, NULL);
}
