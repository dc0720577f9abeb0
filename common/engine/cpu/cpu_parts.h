/*
 * The CPU backend, inside. Products and convolutions are oneDNN's (onednn.c is the only file that
 * knows it), or, where it has no code that may be used, our own (loops_product.c). Everything else is
 * bound by memory and is a "loop": a few passes, each a function over a range of items. loops*.c have
 * them and are compiled once per instruction set; cpu_open chooses the table of the best set that this
 * processor has.
 *
 * Results may depend on the number of threads inside oneDNN and on nothing else; those of loops do
 * not even depend on that: how a sum is cut into chunks follows from the shapes alone.
 */
#ifndef CAIRN_ENGINE_CPU_CPU_PARTS_H
#define CAIRN_ENGINE_CPU_CPU_PARTS_H

#include "engine/backend.h"

/* Of a tensor seen as a matrix [rows, c]. */
static inline int64_t rows_of(struct shape shape)
{
    return (int64_t)shape.n * shape.d * shape.h * shape.w;
}

struct library; /* oneDNN's engine and stream */

struct cpu {
    struct backend backend; /* first: a struct backend * is cast to this */
    struct library *library;
    const char *level; /* of x86-64, of the loops */
    char *numerics;
};

/* Kernels of every op, compiled for one level of x86-64 (the psABI's v2: SSE4.2, v3: AVX2 and FMA,
 * v4: AVX-512), and of HALF ops in BF16, for which the library wants AVX-512. */
extern kernel_maker *const cpu_makers_v2[OPS],
    *const cpu_makers_v3[OPS], *const cpu_makers_v4[OPS], *const cpu_makers_v4_half[OPS];

/* cpu_open with loops of a given level ("v2", "v3", "v4"; NULL: the best); an error if the processor
 * lacks it, or CAIRN_ISA caps it. */
int cpu_open_isa(struct backend **out, int threads, const char *isa, struct meter *meter,
                 struct err *err);

/* ---- loops ---------------------------------------------------------------------------------- */
struct loop;
/* Does items begin .. end-1 of a pass. Passes of a kernel run in order, the items of a pass in any.
 */
typedef void range_body(const struct loop *loop, void *const *arg, void *scratch, int64_t begin,
                        int64_t end);

enum { MAX_PASS = 5 };

/* The state of a loop kernel. */
struct loop {
    struct {
        range_body *body;
        int64_t items;
    } pass[MAX_PASS];
    int passes, threads;
    struct kernel_desc desc; /* desc.attr points to the copy below */
    struct attr attr;
    /* How the op sees its tensor, where that takes more than the shapes: [outer, rows, width], each
     * outer cut into `chunks` of `chunk` rows. */
    int64_t outer, rows, width, chunk, chunks;
    /* Broadcasting: extents after merging axes that go together, strides of the inputs (0:
     * repeated) */
    int rank;
    int64_t extent[5], stride[2][5];
    /* Places in the scratch, in floats from its beginning: of the sums, which lie behind the planes; of a
     * table for each of d, h and w, with table_row floats an entry. */
    int64_t sums_at, table_at[3], table_row[3];
};

/* Prepares a kernel without passes. */
struct loop *cpu_loop_make(struct kernel *out, const struct kernel_desc *desc);
void cpu_loop_pass(struct loop *loop, range_body *body, int64_t items);
/* Runs body over all items on the given number of threads (1: on the caller's). */
void cpu_spread(int threads, const struct loop *loop, void *const *arg, void *scratch);

/* ---- oneDNN --------------------------------------------------------------------------------- */
/* cap: the level of x86-64 above which the library does not go either (NULL: none). That holds for
 * the process, so it must be the same each time. */
int library_open(struct library **out, const char *cap, struct err *err);
void library_use_threads(struct library *library, int threads);
void library_close(struct library *library);
/* Does it support BF16 with the instructions that it may use? */
bool library_halves(void);
/* "avx512_core oneDNN 2.6.3" */
void library_text(char *text, size_t size);
/* 1x1x1, stride 1, no padding? */
bool library_is_product(const struct window *window);
/* What follows makes no kernel, and leaves out->run NULL, where the library has no implementation
 * that may be used: its f32 product other than for AVX-512 (impl "gemm") allocates in every call.
 * Bias and activation are fused, but for conv_data only where it is a product. */
kernel_maker library_conv, library_conv_data, library_conv_filter;

/* A matrix [rows, columns]; transposed: stored as [columns, rows]. */
struct matrix {
    int64_t rows, columns;
    bool transposed;
    enum dtype type;
};
/* c = a b; the kernel's arguments are a, b, c. Where one of a and b is BF16 the other is rounded to
 * that; sums are F32. */
int library_product(struct kernel *out, struct backend *backend, struct matrix a, struct matrix b,
                    struct matrix c, struct err *err);

#endif
