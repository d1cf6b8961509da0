// SPDX-License-Identifier: MIT
// Where the compiled XDP program lies in the executable. Start-up only.
#pragma once

extern "C" {
extern const unsigned char eta_xsk_redirect_begin[];
extern const unsigned char eta_xsk_redirect_end[];
}
