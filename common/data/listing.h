/*
 * Data sets that are folders of pictures. Each format's reader makes a listing (which image, which
 * mask, which split); the rest is common: naming the files for the recipe, and decoding them in
 * parallel into a collection. Paths are relative to the folder; memory comes from the caller's
 * arena, which outlives the listing.
 */
#ifndef CAIRN_DATA_LISTING_H
#define CAIRN_DATA_LISTING_H

#include "config/config.h"
#include "data/data.h"

/* What each value in a mask file becomes: a class index, MASK_IGNORE, or -1: not allowed. */
struct mask_values {
    int16_t becomes[256];
    const char *expected; /* for messages: "1 to 3" */
    bool binary;          /* 1 and 255 mean the same, but all files must use the same one */
};
/* All -1. */
struct mask_values *mask_values_new(struct arena *arena, const char *expected);

/* Kinds of files for cases, by their names' endings, ignoring case. */
struct file_kind {
    const char *endings[5];  /* the last is NULL */
    const char *mask_ending; /* of pairs */
    const char *called;      /* "PNG or JPEG" */
};
extern const struct file_kind picture_files;
/* The length of the ending; 0: the name has none, or nothing before it. */
size_t file_ending(const struct file_kind *kind, const char *name);
/* The name without its folder and its ending. */
const char *file_stem(const struct file_kind *kind, const char *path, struct arena *arena);

struct listed {
    const char *id;
    enum split split;
    int32_t label; /* -1: none */
    const char *image, *mask;
    const struct mask_values *values;
    const char *list; /* where it is listed, on which line; 0: found in a folder */
    size_t line;
};
/* One volume per channel, all on the same grid. */
struct channels {
    struct volume *items;
    int32_t count;
};
struct listing {
    const char *folder;
    const char *fetch;       /* its name in scripts/fetch-data; NULL: unknown there */
    const char *mask_suffix; /* of masks in the images' folder; NULL: none */
    const char *description; /* a file that describes the cases; NULL: none */
    const void *own;         /* the format's keys */
    /* Decodes pictures unknown to image_decode, without the file in messages; NULL: none */
    int (*picture)(struct image *out, bool mask, const struct listing *listing,
                   const uint8_t *bytes, size_t length, struct err *err);
    /* The same for volumes */
    int (*volume)(struct channels *out, enum nifti_file *at, bool mask,
                  const struct listing *listing, const char *path, struct err *err);
    int ignore;        /* the mask value for no class; -1: none */
    bool spaced;       /* the files give the voxel spacing in mm */
    const char *order; /* of their axes, for messages: "w, h, d in RAS+" */
    const struct file_kind *kind;
    /* The file implied by another one, as voxels by their header; NULL: none */
    const char *(*second)(const char *name, struct arena *arena);
    const char *lists[SPLITS];
    int list_count;
    struct listed *cases;
    uint32_t count;
};

/* The lines of a text file (UTF-8, with or without a byte order mark), ended by LF or CRLF, in
 * writable memory of the arena. */
int lines_read(char ***lines, size_t *count, const char *path, struct arena *arena,
               struct err *err);
/* Splits a line in place, at spaces outside double quotes. Returns the number of fields, of which
 * at most `most` are stored. */
size_t line_fields(char *line, char **fields, size_t most);
/* Removes spaces at both ends, in place. */
char *line_trim(char *line);
/* A line that is a single name, spaces included: trimmed, without double quotes. */
char *line_name(char *line);
/* STATUS_BAD_DATA at a line of a list: "line N of 'PATH': ...". */
int line_fail(struct err *err, const struct listing *listing, const char *list, size_t line,
              const char *fmt, ...) __attribute__((format(printf, 5, 6)));
/* Is it valid as a case's id and part of a path: plain text, no slash, no leading dot? */
bool name_is_plain(const char *name);
/* For messages: bytes that are not plain text as \xHH. */
const char *name_shown(const char *name, struct arena *arena);
/* The end of a message about an unknown name: "" or, since the same letters can be encoded in
 * different ways, its bytes. */
const char *name_spelling(const char *name, struct arena *arena);
void listing_add(struct listing *listing, const struct listed *one, struct arena *arena);
/* Calls add for the lines of FOLDER/NAME (ended by LF or CRLF) that are not empty and do not
 * begin with '#'; split, list and line of `one` are filled in. NAME becomes one of the listing's
 * lists. */
int listing_split(struct listing *listing, enum split split, const char *name,
                  int (*add)(struct listing *listing, struct listed *one, char *line,
                             const void *user, struct arena *arena, struct err *err),
                  const void *user, struct arena *arena, struct err *err);
/* Checks that ids are unique, every list has cases, and no image is its own mask. */
int listing_check(const struct listing *listing, struct err *err);
/* Notes the files below the folder that no case uses, by kind. A folder with no used files counts
 * as one. */
void listing_unused(struct collection *out, const struct listing *listing);

/* The contents of a folder, sorted; hidden files and system files are skipped. */
struct names {
    const char **items;
    const char **folded; /* sorted with the case of letters ignored */
    size_t count;
};
/* Of FOLDER/NAME; STATUS_MISSING if it does not exist. */
int names_read(struct names *out, const char *folder, const char *name, struct arena *arena,
               struct err *err);
/* The same without the folders in it. */
int names_read_files(struct names *out, const char *folder, const char *name, struct arena *arena,
                     struct err *err);
/* The entry with this name, else the only one that differs from it only in the case of letters;
 * NULL: none. */
const char *names_find(const struct names *names, const char *name);
/* The same for a path below folder; *out NULL: there is none. */
int path_find(const char **out, const char *folder, const char *path, struct arena *arena,
              struct err *err);

/*
 * How a folder is split: lists (train.txt) or folders (Train) named after the splits, in any case,
 * or by common synonyms: training; valid, validation, dev; testing. Two for the same split are
 * STATUS_BAD_DATA.
 */
struct parting {
    const char *list[SPLITS], *folder[SPLITS]; /* their names there; NULL: none */
    bool lists, folders;                       /* any */
    const char *odd[SPLITS]; /* a file that seems to list val or test under another name */
};
/* Only folders that contain `inner` count; NULL: all. */
int parting_find(struct parting *out, const char *folder, const char *inner, struct arena *arena,
                 struct err *err);
/* If unlisted cases are for training: refuses a file that seems to list another split, unless that
 * split has a folder. */
int parting_check_rest(const struct parting *parting, const char *folder, struct err *err);
/* Reports a missing file of a data set, with how to fetch it, if known (fetch not NULL). */
int missing_file(const char *name, const char *folder, const char *fetch, struct err *err);

/* Files on their way into a recipe. */
struct sources {
    struct source *items;
    int count;
    const char *folder, *fetch; /* as in a listing */
    bool may_lack;              /* missing files are left out */
    struct arena *arena;
};
int sources_add(struct sources *sources, const char *name, struct err *err);
/* The files of a checked listing. */
int listing_sources(struct sources *out, const struct listing *listing, bool skip_bad,
                    struct err *err);
/* Decode the cases of such a listing and append them to *out, whose class names are set already,
 * and which they do not free. */
int pictures_decode(struct collection *out, const struct listing *listing,
                    const struct treatment *how, struct err *err);
int volumes_decode(struct collection *out, const struct listing *listing,
                   const struct treatment *how, struct err *err);

/*
 * Pairs: FOLDER/IMAGES/NAME.png and FOLDER/MASKS/NAME+SUFFIX.png (or the endings of the kind of
 * files), with names in FOLDER/train.txt (and val.txt, test.txt); or, without lists,
 * FOLDER/{Train,Val,Test}/IMAGES/... and all images there, sorted, with the split as prefix of
 * their ids (the masks of Val and Test may have folder names of their own). Unlisted images are for
 * training if there is no train.txt; all images are if there is neither a list nor a folder of a
 * split. Names are matched ignoring case, and lists and folders may have the synonyms above. A mask
 * holds class numbers from 0.
 */
struct pair_keys {
    const char *images, *masks;         /* ".": no folder of their own */
    const char *val_masks, *test_masks; /* in folders of splits; "": as masks */
    const char *mask_suffix;
    struct text_list class_names;
    int64_t void_value; /* in masks: no class; 0: none */
};
/* Rows for these fields, with which a format's own struct begins. */
// clang-format off
#define PAIR_FIELD(member) offsetof(struct pair_keys, member)
#define PAIR_FIELDS(of_images, of_masks)                                                           \
    {"images", FIELD_TEXT, PAIR_FIELD(images), "images",                                           \
     .help = "where the images are (" of_images "); . is root"},                                   \
    {"masks", FIELD_TEXT, PAIR_FIELD(masks), "masks", .help = "where the masks are: " of_masks},   \
    {"val_masks", FIELD_TEXT, PAIR_FIELD(val_masks), "''",                                         \
     .help = "the masks' folder inside a folder Val; '': as masks", .later = true},                \
    {"test_masks", FIELD_TEXT, PAIR_FIELD(test_masks), "''",                                       \
     .help = "the masks' folder inside a folder Test; '': as masks", .later = true},               \
    {"mask_suffix", FIELD_TEXT, PAIR_FIELD(mask_suffix), "''",                                     \
     .help = "suffix of a mask's name after the image's"},                                         \
    {"class_names", FIELD_TEXTS, PAIR_FIELD(class_names), "[background, foreground]",              \
     .help = "classes of the masks, from 0", .min_count = 2},                                      \
    {"void", FIELD_INT, PAIR_FIELD(void_value), "0",                                               \
     .help = "the value in masks for no class, which is not counted, such as 255; 0: none",        \
     .min = 0, .max = 255, .later = true}
// clang-format on
int pairs_list(struct listing *out, struct collection *classes, const char *folder,
               const struct pair_keys *keys, const struct file_kind *kind, struct err *err);

/* The result of decoding a case. */
struct outcome {
    bool failed, hard; /* hard: not the file's fault, cannot be skipped */
    enum status status;
    const char *file; /* of the listing: image or mask; NULL: the text is complete */
    char *text;       /* listing_decode's */
    struct id pixels;
    int32_t size[3];       /* d, h, w as read */
    int64_t labelled, cut; /* voxels of a class above 0; how many of them a size cut off */
};
/* A file of a case could not be opened: if it does not exist, the case is bad. Returns -1. */
int outcome_missing(struct outcome *outcome, const char *file, struct err *err);
struct decoding {
    bool skip_bad;
    /* Decodes one case into its place; sets `hard` and `file` before a failure, else pixels and
     * size. Called by several threads. */
    int (*decode)(struct outcome *outcome, uint32_t index, const void *user, struct err *err);
    const void *user;
    const void *images;   /* of all cases in the listing's order, in the collection's shape */
    const uint8_t *masks; /* or NULL */
};
/* Decodes all in parallel and appends them to *out, whose shape and pixel type are set already, and
 * which is not freed. */
int listing_decode(struct collection *out, const struct listing *listing,
                   const struct decoding *how, struct err *err);

#endif
