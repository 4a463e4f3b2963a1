/* table.c -- what this backend has; the other slots are ref's. */
#include "kernels/cpu/cpu.h"
#include "kernels/ref/ref.h"

#define QUOTE(isa) #isa
#define NAME_OF(isa) "cpu-" QUOTE(isa)

/* A slot is named twice, first for all of the list: the second time counts. */
#pragma GCC diagnostic ignored "-Woverride-init"

const struct kernels *ISA_NAME(kernels_cpu)(void) {
    static const struct kernels table = {
        .name = NAME_OF(ISA),
#define KERNEL(name, parameters) .name = ref_##name,
#define KERNEL_RETURNS(type, name, parameters) .name = ref_##name,
        KERNEL_LIST(KERNEL)
#undef KERNEL
#undef KERNEL_RETURNS
#define OWN(name) .name = ISA_NAME(name)
            OWN(gemm),
        OWN(gemm_pack_size),
        OWN(gemm_pack),
        OWN(gemm_packed),
        OWN(softmax_rows),
        OWN(softmax_rows_backward),
        OWN(soft_xent_forward),
        OWN(soft_xent_backward),
        OWN(l2_normalize_rows_backward),
        OWN(branch_forward),
        OWN(branch_backward),
        OWN(rotary),
        OWN(swiglu_forward),
        OWN(swiglu_backward),
        OWN(bce_forward),
        OWN(bce_backward),
        OWN(argmax_rows),
        OWN(contrast_rows),
        OWN(contrast_gradient),
        OWN(column_sum),
        OWN(axpby),
        OWN(fill),
        OWN(copy_rows),
        OWN(linear_gradient),
        OWN(sum_squares),
        OWN(act_forward),
        OWN(act_backward),
        OWN(layernorm_forward),
        OWN(layernorm_backward),
        OWN(batchnorm_moments),
        OWN(batchnorm_moments_backward),
        OWN(batchnorm_apply),
        OWN(batchnorm_backward),
        OWN(batchnorm_parameters),
        OWN(attention_forward),
        OWN(attention_backward),
        OWN(attention_row_forward),
        OWN(attention_row_backward),
        OWN(softmax_xent_forward),
        OWN(softmax_xent_backward),
        OWN(mse_forward),
        OWN(mse_backward),
        OWN(gather_forward),
        OWN(gather_backward),
        OWN(patchify),
        OWN(unpatchify),
        OWN(add_broadcast),
        OWN(mean_rows_forward),
        OWN(mean_rows_backward),
        OWN(standardize_rows),
        OWN(l2_normalize_rows),
        OWN(conv2d_pack_size),
        OWN(conv2d_pack),
        OWN(conv2d_forward),
        OWN(conv2d_backward_data),
        OWN(conv2d_backward_weight),
        OWN(maxpool_forward),
        OWN(maxpool_backward),
        OWN(channelwise_fc_forward),
        OWN(channelwise_fc_backward),
        OWN(reduce_lanes),
        OWN(adamw),
        OWN(sgd),
    };
    return &table;
}
