/* faults.h -- a launch of 2 x 64 threads with a planted mistake, out (64); and copies by two
 * streams with a wait left out. */
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

/* The second stream copies 1, then 2, to a place that the first one reads each time: it does not
 * wait for the copy, the copy does not wait until it has read, what is copied changes before.
 * Returns 10 x what was read first + what was read then, 12 without a mistake. */
enum copy_fault {
    COPY_FAULT_NONE,
    COPY_FAULT_NOT_AWAITED,
    COPY_FAULT_TOO_EARLY,
    COPY_FAULT_CHANGED,
    COPY_FAULT_UNPINNED /* while a copy is still to come: ends the program */
};
float fault_copies(enum copy_fault fault);

/* A stream is captured with a launch, and with something beside it that no capture takes.  Whether
 * a graph came out. */
enum capture_fault {
    CAPTURE_FAULT_NONE,
    CAPTURE_FAULT_QUERY,
    CAPTURE_FAULT_WAIT,
    CAPTURE_FAULT_MEMORY,
    CAPTURE_FAULT_FREE,
    CAPTURE_FAULT_PIN,
    CAPTURE_FAULT_COPY,
    CAPTURE_FAULT_EVENT,
    CAPTURE_FAULTS
};
int fault_capture(enum capture_fault fault);

/* What a launch with so many bytes of shared memory says, where so many were asked for; 0: none. */
int fault_shared(int bytes, int asked);

#ifdef __cplusplus
}
#endif

#endif
