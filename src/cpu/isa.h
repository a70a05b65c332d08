/* SPDX-License-Identifier: Apache-2.0 */
/* isa.h: which instruction sets the processor and the operating system offer. */
#ifndef TN_CPU_ISA_H
#define TN_CPU_ISA_H

typedef enum tn_isa {
    TN_ISA_SSE2 = 1 << 0,
    TN_ISA_AVX2 = 1 << 1,   /* with FMA */
    TN_ISA_AVX512 = 1 << 2, /* F, VL, BW, DQ */
    TN_ISA_NEON = 1 << 3    /* with FMA */
} tn_isa;

/* The set of tn_isa flags usable here. */
unsigned tn_isa_detect(void);

#endif
