/* SPDX-License-Identifier: Apache-2.0 */
#include "cpu/isa.h"

unsigned tn_isa_detect(void) {
    unsigned isa = 0;
#if defined(__x86_64__)
    isa |= TN_ISA_SSE2;
    /* The compiler's own test also asks whether the operating system saves the wide registers. */
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) isa |= TN_ISA_AVX2;
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
        __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq"))
        isa |= TN_ISA_AVX512;
#elif defined(__aarch64__)
    isa |= TN_ISA_NEON;
#endif
    return isa;
}
