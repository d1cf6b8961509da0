// SPDX-License-Identifier: MIT
// The compiled XDP program as bytes of the executable. Built only with ETA_BPF_OBJECT set to the
// object file that clang made of xsk_redirect.bpf.c.
#include "bpf/embed.h"

asm(R"(
    .section .rodata
    .balign 16
    .globl eta_xsk_redirect_begin
eta_xsk_redirect_begin:
    .incbin ")" ETA_BPF_OBJECT R"("
    .globl eta_xsk_redirect_end
eta_xsk_redirect_end:
    .byte 0
    .text
)");
