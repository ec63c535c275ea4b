/* Tokens: their text, their file, and the book that finds them. */
#include "base/codec.h"
#include "src/access/token_book.h"
#include "src/access/token_text.h"

#include <assert.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define HEX64 "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae"
#define LINE(start) start " sha256:" HEX64 "\n"

/* ---- Text ---- */

static void test_a_token_is_random_and_plain(void **state)
{
    (void)state;
    char a[TOKEN_TEXT_SIZE];
    char b[TOKEN_TEXT_SIZE];
    assert_int_equal(token_text_make(a, NULL), 0);
    assert_int_equal(token_text_make(b, NULL), 0);
    assert_int_equal(strlen(a), TOKEN_TEXT_LENGTH);
    assert_int_equal(strspn(a, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrst"
                               "uvwxyz0123456789-_"),
                     TOKEN_TEXT_LENGTH);
    assert_memory_equal(a, "po_", 3);
    assert_string_not_equal(a, b);
}

/* The digest of "foo", as every sha256sum gives it. */
static void test_the_digest_is_sha256(void **state)
{
    (void)state;
    static const uint8_t first[] = {0x2c, 0x26, 0xb4, 0x6b};
    uint8_t digest[TOKEN_DIGEST_SIZE];
    uint8_t other[TOKEN_DIGEST_SIZE];
    token_text_digest(slice_text("foo"), digest);
    assert_memory_equal(digest, first, sizeof first);
    token_text_digest(slice_text("fop"), other);
    assert_true(token_digest_equal(digest, digest));
    assert_false(token_digest_equal(digest, other));
}

/* ---- The file ---- */

static void test_lines_become_tokens(void **state)
{
    (void)state;
    struct token_list list;
    assert_int_equal(
        token_file_parse(slice_text("# who may\n\n" LINE("app publish a,b.c")
                                        LINE("  boss\tadmin  *") "\t \r\n"),
                         &list, NULL),
        0);
    assert_int_equal(list.count, 2);
    assert_true(slice_is(list.tokens[0].name, "app"));
    assert_int_equal(list.tokens[0].role, ROLE_PUBLISH);
    assert_true(text_list_has(list.tokens[0].topics, slice_text("b.c")));
    assert_false(text_list_has(list.tokens[0].topics, slice_text("b")));
    assert_int_equal(list.tokens[1].role, ROLE_ADMIN);
    assert_int_equal(list.tokens[1].topics.length, 0);
    assert_int_equal(list.tokens[1].digest[31], 0xae);
    token_list_close(&list);
    assert_int_equal(token_file_parse(slice_of(NULL, 0), &list, NULL), 0);
    assert_int_equal(list.count, 0);
    token_list_close(&list);
}

static void test_a_bad_line_is_named(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *words;
    } bad[] = {
        {LINE("a admin *") "x\n", "line 2: four fields are expected"},
        {LINE("a admin * more"), "line 1: four fields"},
        {LINE("a boss *"), "line 1: the role is not publish"},
        {LINE("a! read *"), "line 1: name is not"},
        {LINE("anonymous read *"), "line 1: name is reserved"},
        {LINE("a read x,,y"), "line 1: topics is not a comma list"},
        {LINE("a read *,x"), "line 1: topics is not"},
        {LINE("a admin x"), "line 1: topics cannot limit an admin"},
        {"a read * sha256:12\n", "line 1: the last field is not sha256:"},
        {"a read * md5:" HEX64 "\n", "line 1: the last field"},
        {"\n" LINE("a read *") LINE("a admin *"), "line 3: this name stands"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct token_list list;
        struct error error;
        assert_int_equal(
            token_file_parse(slice_text(bad[i].text), &list, &error),
            ERR_INVALID);
        if (strstr(error.text, bad[i].words) != error.text)
            fail_msg("'%s' instead of '%s'", error.text, bad[i].words);
    }
}

static char folder[] = "/tmp/postoffice-tokens-XXXXXX";
static char path[64];

static struct token token_of(const char *name, enum role role)
{
    struct token token = {.name = slice_text(name), .role = role};
    token_text_digest(slice_text(name), token.digest);
    return token;
}

static void write_file(const char *text)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void expect_file(const char *text)
{
    char found[4096] = "";
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    found[fread(found, 1, sizeof found - 1, file)] = '\0';
    fclose(file);
    assert_string_equal(found, text);
}

static void test_a_file_is_made_and_changed(void **state)
{
    (void)state;
    struct stat status;
    struct token_list list;
    struct error error;
    struct token boss = token_of("boss", ROLE_ADMIN);
    struct token app = token_of("app", ROLE_PUBLISH);
    struct arena arena = {0};
    assert_null(token_topics_read(slice_text("a,b"), &arena, &app.topics));
    assert_int_equal(token_file_read(path, &list, &error), ERR_NOT_FOUND);
    assert_int_equal(token_file_add(path, &boss, &error), 0);
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 07777, 0600);
    assert_int_equal(token_file_add(path, &app, &error), 0);
    assert_int_equal(token_file_add(path, &boss, &error), ERR_EXISTS);
    assert_int_equal(token_file_read(path, &list, &error), 0);
    assert_int_equal(list.count, 2);
    assert_true(text_list_has(list.tokens[1].topics, slice_text("b")));
    assert_memory_equal(list.tokens[0].digest, boss.digest, TOKEN_DIGEST_SIZE);
    token_list_close(&list);
    assert_int_equal(token_file_remove(path, slice_text("bos"), &error),
                     ERR_NOT_FOUND);
    assert_int_equal(token_file_remove(path, slice_text("boss"), &error), 0);
    assert_int_equal(token_file_read(path, &list, &error), 0);
    assert_int_equal(list.count, 1);
    token_list_close(&list);
    arena_close(&arena);
}

/* What a person wrote stays, a last line without end too, and so do the
 * file's rights; what is not sound is not touched. */
static void test_the_rest_of_a_file_stays(void **state)
{
    (void)state;
    struct stat status;
    struct error error;
    struct token boss = token_of("boss", ROLE_ADMIN);
    write_file("# ours\n" LINE("foo read *") "# end");
    assert_int_equal(chmod(path, 0640), 0);
    assert_int_equal(token_file_add(path, &boss, &error), 0);
    assert_int_equal(token_file_remove(path, boss.name, &error), 0);
    expect_file("# ours\n" LINE("foo read *") "# end\n");
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 07777, 0640);
    write_file("nonsense\n");
    assert_int_equal(token_file_add(path, &boss, &error), ERR_INVALID);
    assert_non_null(strstr(error.text, "line 1"));
    expect_file("nonsense\n");
    unlink(path);
}

/* ---- The book ---- */

static void test_the_book_is_open_until_there_is_one(void **state)
{
    (void)state;
    struct token_list list;
    struct token_book *book = token_book_new(false);
    assert_false(token_book_is_closed(book));
    assert_null(token_book_find(book, slice_text("foo")));
    token_file_parse(slice_text(LINE("a read *")), &list, NULL);
    token_book_set_file(book, &list);
    assert_true(token_book_is_closed(book));
    const struct token *found = token_book_find(book, slice_text("foo"));
    assert_non_null(found);
    assert_true(slice_is(found->name, "a"));
    assert_null(token_book_find(book, slice_text("fo")));
    assert_null(token_book_find(book, slice_of(NULL, 0)));
    token_book_free(book);
}

/* A node that was given a file asks for tokens even when none is left. */
static void test_a_file_without_tokens_lets_nobody_in(void **state)
{
    (void)state;
    struct token_book *book = token_book_new(true);
    assert_true(token_book_is_closed(book));
    assert_null(token_book_find(book, slice_text("foo")));
    token_book_free(book);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_token_is_random_and_plain),
        cmocka_unit_test(test_the_digest_is_sha256),
        cmocka_unit_test(test_lines_become_tokens),
        cmocka_unit_test(test_a_bad_line_is_named),
        cmocka_unit_test(test_a_file_is_made_and_changed),
        cmocka_unit_test(test_the_rest_of_a_file_stays),
        cmocka_unit_test(test_the_book_is_open_until_there_is_one),
        cmocka_unit_test(test_a_file_without_tokens_lets_nobody_in),
    };
    assert(mkdtemp(folder) != NULL);
    snprintf(path, sizeof path, "%s/tokens", folder);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    rmdir(folder);
    return failed;
}
