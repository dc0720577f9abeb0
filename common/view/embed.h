/*
 * A file of reports/ as bytes of the program, so that a program needs no file beside it. The
 * assembler's .incbin copies the file as it is, with no generated C in between; its path is
 * relative to the folder the compiler runs in, which is the repository's root.
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
