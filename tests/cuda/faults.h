/* faults.h -- a launch of 2 x 64 threads with a planted mistake; out (64). */
#ifndef SSV_TESTS_CUDA_FAULTS_H
#define SSV_TESTS_CUDA_FAULTS_H

#ifdef __cplusplus
extern "C" {
#endif

enum fault {
    FAULT_RACE,
    FAULT_NONE,
    FAULT_DIVERGENT,
    FAULT_MISSING_LANE,
    FAULT_NOT_IN_MASK,
    FAULT_UNSET
};
void fault_run(enum fault fault, float *out);

#ifdef __cplusplus
}
#endif

#endif
