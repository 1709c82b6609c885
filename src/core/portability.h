/* portability.h: the only place for what C11 does not have. */
#ifndef GM_PORTABILITY_H
#define GM_PORTABILITY_H

#if defined(__GNUC__)
#define GM_PRINTF(text, first)  __attribute__((format(printf, text, first)))
#define GM_INLINE               static inline __attribute__((always_inline))
#define GM_PREFETCH(address)    __builtin_prefetch(address)       /* the line will be read */
#define GM_PREFETCH_L2(address) __builtin_prefetch(address, 0, 2) /* not at once */
#else
#define GM_PRINTF(text, first)
#define GM_INLINE               static inline
#define GM_PREFETCH(address)    ((void)(address))
#define GM_PREFETCH_L2(address) ((void)(address))
#endif

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define GM_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define GM_SANITIZED 1
#endif
#endif

/* GM_KERNEL stands before an elementwise loop: the compiler makes one copy for each level of the
 * instruction set, and the loader picks one for the machine it runs on. Only for static functions
 * (clang 14 does not link others from another file); put no OpenMP parallel region inside, for its
 * outlined body would not be copied. One copy must do under a sanitizer, for the resolvers run
 * before it is ready, and in the double core, whose speed does not matter (clang 14 gives the
 * resolvers of static functions global names, so they could not even be linked twice).
 */
#if defined(__x86_64__) && defined(__gnu_linux__) && defined(__GNUC__) &&                          \
    !defined(GM_SANITIZED) && !defined(GEMMLP_F64)
#define GM_KERNEL __attribute__((target_clones("default", "arch=x86-64-v3", "arch=x86-64-v4")))
#else
#define GM_KERNEL
#endif

#ifdef GM_SANITIZED
#include <sanitizer/asan_interface.h>
#define GM_POISON(address, size)   ASAN_POISON_MEMORY_REGION(address, size)
#define GM_UNPOISON(address, size) ASAN_UNPOISON_MEMORY_REGION(address, size)
#define GM_RED_ZONE                64
#else
#define GM_POISON(address, size)   ((void)(address), (void)(size))
#define GM_UNPOISON(address, size) ((void)(address), (void)(size))
#define GM_RED_ZONE                0
#endif

/* The floating-point control word of this thread, and the same with subnormals flushed to zero. */
#if defined(__x86_64__)
#include <xmmintrin.h>
GM_INLINE unsigned gm_float_control_get(void)
{
    return _mm_getcsr();
}
GM_INLINE void gm_float_control_set(unsigned control)
{
    _mm_setcsr(control);
}
#define GM_FLUSH_TO_ZERO(control) ((control) | 0x8040u) /* FTZ and DAZ */
#elif defined(__aarch64__) && defined(__GNUC__)
GM_INLINE unsigned gm_float_control_get(void)
{
    unsigned long control;
    __asm__ volatile("mrs %0, fpcr" : "=r"(control));
    return (unsigned)control;
}
GM_INLINE void gm_float_control_set(unsigned control)
{
    __asm__ volatile("msr fpcr, %0" : : "r"((unsigned long)control));
}
#define GM_FLUSH_TO_ZERO(control) ((control) | 1u << 24) /* FZ */
#else
GM_INLINE unsigned gm_float_control_get(void)
{
    return 0;
}
GM_INLINE void gm_float_control_set(unsigned control)
{
    (void)control;
}
#define GM_FLUSH_TO_ZERO(control) (control)
#endif

#endif
