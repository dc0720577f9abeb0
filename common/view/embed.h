/*
 * Embeds a file of reports/ in the program, so that it needs no data files at run time. The
 * assembler's .incbin copies the file verbatim; its path is relative to the folder the compiler
 * runs in, which is the repository's root.
 */
#ifndef CAIRN_VIEW_EMBED_H
#define CAIRN_VIEW_EMBED_H

/* Declares and defines NAME: a NUL-terminated string. */
#define EMBED(name, file)                                                                          \
    extern const char name[] __attribute__((visibility("hidden")));                                \
    __asm__(".pushsection .rodata\n"                                                               \
            ".globl " #name "\n"                                                                   \
            ".hidden " #name "\n"                                                                  \
            ".type " #name ", @object\n" #name ":\n"                                               \
            ".incbin \"" file "\"\n"                                                               \
            ".byte 0\n"                                                                            \
            ".size " #name ", . - " #name "\n"                                                     \
            ".popsection\n")

#endif
