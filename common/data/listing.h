/*
 * Data sets that are folders of pictures. The reader of each format makes a listing (which image,
 * which mask, which split); what follows is the same for all: naming the files for the recipe, and
 * decoding them in parallel into a collection. Paths are relative to the folder; memory is the
 * arena's that is handed in, which outlives the listing.
 */
#ifndef CAIRN_DATA_LISTING_H
#define CAIRN_DATA_LISTING_H

#include "config/config.h"
#include "data/data.h"

/* What each value in a mask file becomes: a class index or MASK_IGNORE, -1: it must not be there. */
struct mask_values {
    int16_t becomes[256];
    const char *expected; /* for messages: "1 to 3" */
    bool binary;          /* 1 and 255 become the same: one of them, in all files */
};
/* All -1. */
struct mask_values *mask_values_new(struct arena *arena, const char *expected);

/* Files of cases, by how their names end: in any case of the letters. */
struct file_kind {
    const char *endings[5];  /* the last is NULL */
    const char *mask_ending; /* of pairs */
    const char *called;      /* "PNG or JPEG" */
};
extern const struct file_kind picture_files;
/* How long the ending is; 0: the name has none, or nothing before it. */
size_t file_ending(const struct file_kind *kind, const char *name);
/* The name without its folder and its ending. */
const char *file_stem(const struct file_kind *kind, const char *path, struct arena *arena);

struct listed {
    const char *id;
    enum split split;
    int32_t label; /* -1: none */
    const char *image, *mask;
    const struct mask_values *values;
    const char *list; /* where it is listed, in which line; 0: a folder */
    size_t line;
};
/* One volume a channel, all on one grid. */
struct channels {
    struct volume *items;
    int32_t count;
};
struct listing {
    const char *folder;
    const char *fetch; /* what scripts/fetch-data calls the data set; NULL: it does not know it */
    const char *mask_suffix; /* of masks that lie among their images; NULL: none do */
    const char *description; /* a file that says what the cases are; NULL: none does */
    const void *own;         /* the format's keys */
    /* Pictures that image_decode does not know, without a message's file; NULL: it knows them */
    int (*picture)(struct image *out, bool mask, const struct listing *listing,
                   const uint8_t *bytes, size_t length, struct err *err);
    /* Volumes: likewise */
    int (*volume)(struct channels *out, enum nifti_file *at, bool mask,
                  const struct listing *listing, const char *path, struct err *err);
    int ignore;        /* what a mask has where there is no class; -1: nothing */
    bool spaced;       /* the files say how many mm lie between voxels */
    const char *order; /* of their axes, for messages: "w, h, d in RAS+" */
    const struct file_kind *kind;
    /* The file that another one brings along, as voxels their header; NULL: none does */
    const char *(*second)(const char *name, struct arena *arena);
    const char *lists[SPLITS];
    int list_count;
    struct listed *cases;
    uint32_t count;
};

/* The lines of a text file (UTF-8, with or without a byte order mark), ended by LF or CRLF, in
 * memory of the arena that may be written to. */
int lines_read(char ***lines, size_t *count, const char *path, struct arena *arena,
               struct err *err);
/* Splits a line in place, at blanks; what is in double quotes holds together. Returns how many
 * fields there are, of which at most `most` are stored. */
size_t line_fields(char *line, char **fields, size_t most);
/* Less the blanks at both ends, in place. */
char *line_trim(char *line);
/* A line that is one name, blanks and all: trimmed, and out of its double quotes. */
char *line_name(char *line);
/* STATUS_BAD_DATA at a line of a list: "line N of 'PATH': ...". */
int line_fail(struct err *err, const struct listing *listing, const char *list, size_t line,
              const char *fmt, ...) __attribute__((format(printf, 5, 6)));
/* Can it be a case's id and part of a path: plain text, no slash, no leading dot? */
bool name_is_plain(const char *name);
/* For messages: bytes that are no plain text as \xHH. */
const char *name_shown(const char *name, struct arena *arena);
/* To end a message that there is no such name: "", or, as the same letters can be other bytes, which
 * these are. */
const char *name_spelling(const char *name, struct arena *arena);
void listing_add(struct listing *listing, const struct listed *one, struct arena *arena);
/* Calls add for the lines of FOLDER/NAME (ended by LF or CRLF) that are not empty and do not begin
 * with '#'; split, list and line of `one` are filled in. NAME becomes one of the listing's lists.
 */
int listing_split(struct listing *listing, enum split split, const char *name,
                  int (*add)(struct listing *listing, struct listed *one, char *line,
                             const void *user, struct arena *arena, struct err *err),
                  const void *user, struct arena *arena, struct err *err);
/* No id twice, cases in every list, and no image that is its own mask. */
int listing_check(const struct listing *listing, struct err *err);
/* Notes the files below the folder that no case uses, by kind. A folder that nothing is used of
 * counts as one. */
void listing_unused(struct collection *out, const struct listing *listing);

/* What lies in a folder, sorted; hidden files and what systems leave behind are passed over. */
struct names {
    const char **items;
    const char **folded; /* sorted with the case of letters ignored */
    size_t count;
};
/* Of FOLDER/NAME; one that is not there is STATUS_MISSING. */
int names_read(struct names *out, const char *folder, const char *name, struct arena *arena,
               struct err *err);
/* The same without the folders in it. */
int names_read_files(struct names *out, const char *folder, const char *name, struct arena *arena,
                     struct err *err);
/* The entry of this name, else the only one that differs from it in the case of its letters alone;
 * NULL: there is none. */
const char *names_find(const struct names *names, const char *name);
/* The same of a path below folder; *out NULL: there is none. */
int path_find(const char **out, const char *folder, const char *path, struct arena *arena,
              struct err *err);

/*
 * How a folder is parted: lists (train.txt) or folders (Train) called after the splits, in any
 * case, or as others call them: training; valid, validation, dev; testing. Two for one split are
 * STATUS_BAD_DATA.
 */
struct parting {
    const char *list[SPLITS], *folder[SPLITS]; /* as they are called there; NULL: none */
    bool lists, folders;                       /* any */
    const char *odd[SPLITS]; /* a file that seems to list val or test, but under no such name */
};
/* Folders count that have `inner` in them; NULL: none counts. */
int parting_find(struct parting *out, const char *folder, const char *inner, struct arena *arena,
                 struct err *err);
/* Where cases that no list names are for training: refuses an odd file, unless its split has a
 * folder. */
int parting_check_rest(const struct parting *parting, const char *folder, struct err *err);
/* A file of a data set is not there: says how to fetch it, where that is known (fetch not NULL). */
int missing_file(const char *name, const char *folder, const char *fetch, struct err *err);

/* Files on their way into a recipe. */
struct sources {
    struct source *items;
    int count;
    const char *folder, *fetch; /* as of a listing */
    bool may_lack;              /* what is not there is left out */
    struct arena *arena;
};
int sources_add(struct sources *sources, const char *name, struct err *err);
/* Those of a listing that was checked. */
int listing_sources(struct sources *out, const struct listing *listing, bool skip_bad,
                    struct err *err);
/* Decode the cases of such a listing. They append to *out, whose class names are there already, and
 * do not free it. */
int pictures_decode(struct collection *out, const struct listing *listing,
                    const struct treatment *how, struct err *err);
int volumes_decode(struct collection *out, const struct listing *listing,
                   const struct treatment *how, struct err *err);

/*
 * Pairs: FOLDER/IMAGES/NAME.png and FOLDER/MASKS/NAME+SUFFIX.png (or as the kind of files ends),
 * with FOLDER/train.txt (and val.txt, test.txt) of names; or, without lists,
 * FOLDER/{Train,Val,Test}/IMAGES/... and all the images there, sorted, their ids with the split in
 * front. Images that no list names are for training where there is no train.txt, and so are all
 * where there is neither a list nor a folder of a split. Folders of splits may each call their masks
 * otherwise: Train/{resized,resized_label}, Val/{resized,processed_labels}, Test/{resized,masks}. The
 * case of letters does not count, and lists and folders may be called as above. A mask holds class
 * numbers from 0.
 */
struct pair_keys {
    const char *images, *masks;         /* "." : no folder of their own */
    const char *val_masks, *test_masks; /* of folders called after the splits; "": as masks */
    const char *mask_suffix;
    struct text_list class_names;
    int64_t void_value; /* in masks: no class; 0: none */
};
/* The rows of these, which a format's own struct begins with. */
#define PAIR_FIELDS(of_images, of_masks)                                                           \
    {"images", FIELD_TEXT, offsetof(struct pair_keys, images), "images",                           \
     .help = "where the images are (" of_images "); .: in root"},                                  \
        {"masks", FIELD_TEXT, offsetof(struct pair_keys, masks), "masks",                          \
         .help = "where the masks are: " of_masks},                                                \
        {"val_masks",                                                                              \
         FIELD_TEXT,                                                                               \
         offsetof(struct pair_keys, val_masks),                                                    \
         "''",                                                                                     \
         .help = "where they are in a folder Val; '': as elsewhere",                               \
         .later = true},                                                                           \
        {"test_masks",                                                                             \
         FIELD_TEXT,                                                                               \
         offsetof(struct pair_keys, test_masks),                                                   \
         "''",                                                                                     \
         .help = "where they are in a folder Test; '': as elsewhere",                              \
         .later = true},                                                                           \
        {"mask_suffix", FIELD_TEXT, offsetof(struct pair_keys, mask_suffix), "''",                 \
         .help = "the mask of NAME is NAME and this"},                                             \
        {"class_names",                                                                            \
         FIELD_TEXTS,                                                                              \
         offsetof(struct pair_keys, class_names),                                                  \
         "[background, foreground]",                                                               \
         .help = "classes of the masks, from 0",                                                   \
         .min_count = 2},                                                                          \
    {                                                                                              \
        "void", FIELD_INT, offsetof(struct pair_keys, void_value), "0",                            \
            .help = "the value in masks that is of no class and counts nowhere, as 255; 0: none",  \
            .min = 0, .max = 255, .later = true                                                    \
    }
int pairs_list(struct listing *out, struct collection *classes, const char *folder,
               const struct pair_keys *keys, const struct file_kind *kind, struct err *err);

/* What became of a case. */
struct outcome {
    bool failed, hard; /* hard: not the file's fault, nothing that could be skipped */
    enum status status;
    const char *file; /* of the listing: image or mask; NULL: the text says it all */
    char *text;       /* listing_decode's */
    struct id pixels;
    int32_t size[3];       /* d, h, w as read */
    int64_t labelled, cut; /* voxels of a class above 0; those that a size has cut off */
};
/* A file of a case could not be opened: one that is not there is the case's fault. Returns -1. */
int outcome_missing(struct outcome *outcome, const char *file, struct err *err);
struct decoding {
    bool skip_bad;
    /* Reads one case to its place; fills in `hard` and `file` before it fails, else pixels and size.
     * Called by several threads. */
    int (*decode)(struct outcome *outcome, uint32_t index, const void *user, struct err *err);
    const void *user;
    const void *images;   /* of all cases in the listing's order, in the collection's shape */
    const uint8_t *masks; /* or NULL */
};
/* Decodes all, in parallel, and appends them to *out, whose shape and pixel are there already; does
 * not free it. */
int listing_decode(struct collection *out, const struct listing *listing,
                   const struct decoding *how, struct err *err);

#endif
