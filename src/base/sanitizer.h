/* SPDX-License-Identifier: MIT */
/*
 * SHADOW_MEMORY is defined in a build with AddressSanitizer. It reserves terabytes of address space
 * for its shadow memory, so such a process cannot have a limit on its address space.
 */
#ifndef BASE_SANITIZER_H
#define BASE_SANITIZER_H

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SHADOW_MEMORY 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__)
#define SHADOW_MEMORY 1
#endif

#endif
