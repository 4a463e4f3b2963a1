/* What ranks say to each other in few bytes: whether anybody failed, and whether they are alike. */
#include "tests/thread_ranks.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void agree(struct communicator *c, void *self) {
    struct error err = {0};
    int *wrong = self;
    *wrong |= communicator_agree(c, WAIT_LIMITED, 0, &err) != 0;
    int own = c->rank >= 2 ? error_set(&err, STATUS_USAGE, "no file %d", c->rank) : 0;
    int status = communicator_agree(c, WAIT_LIMITED, own, &err);
    *wrong |= status != STATUS_USAGE || err.status != STATUS_USAGE ||
              strcmp(err.message, "rank 2 of 4, on here: no file 2") != 0;
    own = c->rank ? 0 : error_set(&err, STATUS_MACHINE, "the disk is full");
    status = communicator_agree(c, WAIT_LONG, own, &err);
    *wrong |= status != STATUS_MACHINE || strcmp(err.message, "the disk is full") != 0;
    *wrong |= communicator_compare(c, "same", 4, "has another word", &err) != 0;
    status = communicator_compare(c, c->rank == 3 ? "that" : "this", 4, "has another word", &err);
    *wrong |= status != STATUS_MACHINE ||
              strcmp(err.message, "rank 3 of 4, on here, has another word") != 0;
    double number = c->rank ? 0 : 2.5;
    communicator_broadcast(c, WAIT_LIMITED, &number, sizeof number);
    *wrong |= number != 2.5;
}

static void the_first_rank_that_failed_speaks(void **state) {
    (void)state;
    int wrong = 0;
    with_ranks(4, agree, &wrong);
    assert_false(wrong);
}

static void one_process_agrees_with_itself(void **state) {
    (void)state;
    struct error err = {0};
    int number = 3;
    assert_int_equal(communicator_agree(NULL, WAIT_LONG, STATUS_FINDING, &err), STATUS_FINDING);
    assert_int_equal(communicator_compare(NULL, "a", 1, "", &err), 0);
    communicator_broadcast(NULL, WAIT_LONG, &number, sizeof number);
    communicator_gather(NULL, &number, NULL);
    communicator_close(NULL);
    assert_int_equal(number, 3);
    assert_int_equal(communicator_size(NULL), 1);
    assert_int_equal(communicator_rank(NULL), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_rank_that_failed_speaks),
        cmocka_unit_test(one_process_agrees_with_itself),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
