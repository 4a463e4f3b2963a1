/* The NCCL that is installed, if one is: every function that is used of it is there. */
#include "kernels/cuda/nccl_library.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

static void test_library(void **state) {
    struct nccl_library l = {0};
    struct error err;
    (void)state;
    if (nccl_load(&l, &err)) {
        assert_non_null(strstr(err.message, "no NCCL: "));
        skip();
    }
    assert_non_null(l.ncclGroupEnd);
    assert_string_equal(l.ncclGetErrorString(ncclSuccess), "no error");
}

static void test_another(void **state) {
    struct nccl_library l;
    struct error err;
    (void)state;
    setenv("SSVBENCH_NCCL", "/none/libnccl.so", 1);
    assert_int_equal(nccl_load(&l, &err), STATUS_MACHINE);
    assert_non_null(strstr(err.message, "no NCCL: /none/libnccl.so: cannot open"));
    setenv("SSVBENCH_NCCL", "libm.so.6", 1);
    assert_int_equal(nccl_load(&l, &err), STATUS_MACHINE);
    assert_string_equal(err.message, "no NCCL: libm.so.6 has no ncclBroadcast");
    unsetenv("SSVBENCH_NCCL");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_library),
        cmocka_unit_test(test_another),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
