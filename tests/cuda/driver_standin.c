/* driver_standin.c -- make cuda-plans: the functions of a CUDA driver that cuDNN looks for before
 * it makes a plan of several operations, where there is no driver.  There is no device; loading
 * what was compiled succeeds.
 */
#include <stddef.h>

enum { SUCCESS = 0, NO_DEVICE = 100, NOT_SUPPORTED = 801 };

#define NOT_HERE(name)                                                                             \
    int name(void);                                                                                \
    int name(void) {                                                                               \
        return NOT_SUPPORTED;                                                                      \
    }
#define DONE(name)                                                                                 \
    int name(void);                                                                                \
    int name(void) {                                                                               \
        return SUCCESS;                                                                            \
    }
/* of something that is only handed on */
#define HANDLE(name)                                                                               \
    int name(void **out);                                                                          \
    int name(void **out) {                                                                         \
        static char something;                                                                     \
        *out = &something;                                                                         \
        return SUCCESS;                                                                            \
    }

NOT_HERE(cuCtxGetCurrent)
NOT_HERE(cuCtxGetLimit)
NOT_HERE(cuCtxPopCurrent)
NOT_HERE(cuCtxPushCurrent)
NOT_HERE(cuDeviceGet)
NOT_HERE(cuDeviceGetCount)
NOT_HERE(cuGetErrorName)
NOT_HERE(cuGetErrorString)
NOT_HERE(cuLaunchCooperativeKernel)
NOT_HERE(cuLaunchKernel)
NOT_HERE(cuLaunchKernelEx)
NOT_HERE(cuLibraryLoadFromFile)
NOT_HERE(cuLinkAddData)
NOT_HERE(cuLinkComplete)
NOT_HERE(cuLinkCreate)
NOT_HERE(cuLinkDestroy)
NOT_HERE(cuOccupancyMaxPotentialClusterSize)
NOT_HERE(cuStreamGetCtx)
DONE(cuKernelSetAttribute)
DONE(cuLibraryUnload)
HANDLE(cuLibraryGetKernel)
HANDLE(cuLibraryLoadData)

int cuInit(unsigned flags);
int cuInit(unsigned flags) {
    (void)flags;
    return NO_DEVICE;
}

int cuDriverGetVersion(int *version);
int cuDriverGetVersion(int *version) {
    *version = 13000;
    return SUCCESS;
}

int cuKernelGetAttribute(int *value);
int cuKernelGetAttribute(int *value) {
    *value = 64;
    return SUCCESS;
}
