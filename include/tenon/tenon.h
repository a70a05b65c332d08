/* SPDX-License-Identifier: Apache-2.0 */
/* tenon.h: the public interface of Tenon, which trains convolutional networks on CPUs and runs
 * them there.
 *
 * In reading order: errors, the processor, data sets, pictures, tensors, models, building models,
 * sessions (inference), tuning, training, plans, event files.
 *
 * Conventions
 * - A function that can fail returns tn_status and takes a tn_error of the caller's (or NULL),
 *   which then holds one line: what failed, why, and what to do about it.
 * - Option and result structures begin with `size`, which the caller sets to sizeof the structure
 *   (TN_INIT does); every other option left zero means "the default".
 * - Out-parameters are written only on success, unless said otherwise.
 * - Whatever tn_X_open, _create, _build or _load returns belongs to the caller until tn_X_free,
 *   which accepts NULL.
 * - Strings are UTF-8. Sizes and dimensions are int64_t. Images are uint8 [n][height][width]
 *   [channels]; tensors are float32 in ONNX order, images as [n][channels][height][width] in 0..1.
 * - No function exits the process, installs a signal handler or writes to a standard stream. */
#ifndef TENON_TENON_H
#define TENON_TENON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define TN_API __attribute__((visibility("default")))
#else
#define TN_API
#endif

#define TN_VERSION "0.1.0"

/* TN_INIT(tn_train_options) is a tn_train_options with its size set and everything else default. */
#define TN_INIT(type) ((type){.size = sizeof(type)})

/* The version of the library in use, such as "0.1.0". */
TN_API const char *tn_version(void);

/* ---- Errors ------------------------------------------------------------------------------- */

typedef enum tn_status {
    TN_OK = 0,
    TN_ERR_ARGUMENT,    /* the caller asked for something that makes no sense */
    TN_ERR_MEMORY,      /* out of memory */
    TN_ERR_IO,          /* the operating system refused to read or write */
    TN_ERR_NOT_FOUND,   /* no such file, data set or built-in model */
    TN_ERR_FORMAT,      /* a file is damaged or is not what it claims to be */
    TN_ERR_UNSUPPORTED, /* valid, but beyond what this version does */
    TN_ERR_MISMATCH,    /* two valid things that do not belong together */
    TN_ERR_NUMERIC,     /* the loss is not a finite number any more */
    TN_STOPPED          /* ended early because the caller asked for it */
} tn_status;

typedef struct tn_error {
    char message[1024]; /* one line without a line feed; "" when nothing failed */
} tn_error;

/* A short lower-case name of a status, such as "format". */
TN_API const char *tn_status_name(tn_status status);

/* Receives warnings, one line each; `user` is what was given beside the callback. */
typedef void tn_log_fn(void *user, const char *message);

/* ---- The processor ------------------------------------------------------------------------ */

/* What the machine has, what this process may use of it, and what Tenon will use. */
typedef struct tn_cpu_info {
    size_t size;
    char model[96];       /* as the processor names itself */
    char levels[64];      /* kernel levels that run here, best last: "ref sse2 avx2 ..." */
    char level[16];       /* the level in use; the environment variable TENON_CPU overrides it */
    int packages;         /* processor sockets */
    int numa_nodes;       /* memory nodes */
    int cores;            /* physical cores of the machine */
    int hardware_threads; /* logical processors of the machine */
    int allowed_cores;    /* physical cores in this process's affinity mask */
    int allowed_threads;  /* logical processors in this process's affinity mask */
    double quota_cpus;    /* CPUs the cgroup quota grants; 0 without a quota */
    int64_t l1d_bytes, l2_bytes, l3_bytes; /* of one instance; 0 if unknown */
    int n_threads;                         /* the core budget: threads that Tenon uses by default */
    char reason[256];                      /* where the budget comes from, in a sentence */
    char advice[512];                      /* on hyper-threads, in one or two sentences */
} tn_cpu_info;

/* Inspects the machine. Fails with TN_ERR_ARGUMENT if TENON_CPU names no level that runs here. */
TN_API tn_status tn_cpu_inspect(tn_cpu_info *info, tn_error *error);

/* The same in microseconds instead of tens of milliseconds, without a look at the machine: model,
 * packages, memory nodes and caches are left out, and its cores are those allowed. */
TN_API tn_status tn_cpu_inspect_process(tn_cpu_info *info, tn_error *error);

/* What the threads of the core budget reach just now: other programs count, too. */
typedef struct tn_cpu_speed {
    size_t size;
    double fork_join_us; /* to set all threads to work and wait for them, call upon call */
    double wake_us;      /* the same when they have fallen asleep */
    /* GFLOP/s of multiplying and adding in registers at the level in use, one thread and all; 0 if
     * not asked for. */
    double peak_gflops_one, peak_gflops_all;
} tn_cpu_speed;

/* Measures for 10 ms, with peaks for 200 ms more. Fails with TN_ERR_ARGUMENT as tn_cpu_inspect,
 * TN_ERR_MEMORY, TN_ERR_IO. */
TN_API tn_status tn_cpu_measure(bool peaks, tn_cpu_speed *speed, tn_error *error);

/* Whether threads are bound to a processor each. */
typedef enum tn_pin {
    TN_PIN_AUTO = 0, /* if this process owns its cores: its affinity mask is a part of the machine
                        with exactly as many cores as there are threads, and there is no quota */
    TN_PIN_YES,      /* wherever there are enough processors */
    TN_PIN_NO
} tn_pin;

/* Whether the workers of n_threads (0: the core budget) would be pinned now, and why, in a sentence
 * of up to `bytes` with its end. The calling thread itself is never bound. */
TN_API bool tn_cpu_pins(int n_threads, tn_pin pin, char *reason, size_t bytes);

/* ---- Data sets ---------------------------------------------------------------------------- */

/* Labelled images in memory; immutable, may be shared between threads. */
typedef struct tn_dataset tn_dataset;

typedef enum tn_split { TN_TRAIN = 0, TN_TEST } tn_split;

typedef struct tn_dataset_info {
    size_t size;
    const char *name; /* as given to tn_dataset_open, or the folder's last part */
    int64_t n;        /* images */
    int64_t channels, height, width;
    int n_classes;
    const char *const *class_names; /* [n_classes] */
    double mean, std;               /* of all pixels, in 0..1 */
    int64_t n_skipped;              /* files left out because of skip_bad */
} tn_dataset_info;

/* How a picture of another shape becomes height x width. */
typedef enum tn_fit {
    TN_FIT_CROP = 0, /* scaled until it covers them, the middle cut out */
    TN_FIT_STRETCH   /* each axis scaled by itself */
} tn_fit;

/* For folders of pictures; the other formats have their sizes and ignore all but n_threads. */
typedef struct tn_dataset_options {
    size_t size;
    int64_t height, width; /* default: those of the pictures, if all have the same */
    int64_t channels;      /* 1 or 3; default 1 if all pictures are grey, else 3 */
    tn_fit fit;
    bool skip_bad; /* leave out files that cannot be read, tell log, and count them */
    int n_threads; /* that decode; default: the core budget */
    tn_log_fn *log;
    void *user;
} tn_dataset_options;

/* Opens a data set by name or directory. A directory holds
 * - IDX files, gzipped or raw: four with the names of MNIST's, or any two of images and labels per
 *   split whose names hold "train" or "test" (also "t10k");
 * - or CIFAR-10's or CIFAR-100's binary version;
 * - or a folder of PNG and JPEG pictures for each class, within train/ and test/ (also val/); where
 *   these are missing, every tenth picture of a class in the order of names is a test picture.
 * A name ("mnist", "fashion-mnist", "cifar-10", "cifar-100") is looked for in $TENON_DATA, ./data,
 * the installed share folder and where Debian puts it. options may be NULL. Fails with
 * TN_ERR_NOT_FOUND (the message says which package to install), TN_ERR_FORMAT for damaged files,
 * TN_ERR_UNSUPPORTED, TN_ERR_IO, TN_ERR_MEMORY. */
TN_API tn_status tn_dataset_open(const char *name, tn_split split,
                                 const tn_dataset_options *options, tn_dataset **dataset,
                                 tn_error *error);
/* A data set of the caller's own images [n][height][width][channels] and labels [n] in
 * 0..n_classes-1, both copied. Fails with TN_ERR_ARGUMENT for a label out of range. */
TN_API tn_status tn_dataset_create(const char *name, int64_t n, int64_t height, int64_t width,
                                   int64_t channels, int n_classes, const uint8_t *images,
                                   const int32_t *labels, tn_dataset **dataset, tn_error *error);
TN_API void tn_dataset_free(tn_dataset *dataset);
/* The strings belong to the data set. */
TN_API void tn_dataset_describe(const tn_dataset *dataset, tn_dataset_info *info);
TN_API const uint8_t *
tn_dataset_images(const tn_dataset *dataset); /* [n][height][width][channels] */
TN_API const int32_t *tn_dataset_labels(const tn_dataset *dataset); /* [n] */

/* ---- Pictures ----------------------------------------------------------------------------- */

/* Reads a PNG or JPEG file into pixels [height][width][channels] (channels 1 or 3), converting
 * colour to grey (ITU-R BT.601) or grey to colour, blending transparency onto black, and resizing
 * if needed, in the way of fit. *resized (may be NULL) tells whether the size differed. Fails
 * with TN_ERR_NOT_FOUND or TN_ERR_IO, TN_ERR_FORMAT for a damaged file, TN_ERR_UNSUPPORTED (CMYK,
 * too many pixels), TN_ERR_MEMORY. */
TN_API tn_status tn_image_read(const char *path, int64_t height, int64_t width, int64_t channels,
                               tn_fit fit, uint8_t *pixels, bool *resized, tn_error *error);
/* The same as photographs are usually prepared for classifiers: the picture is scaled until its
 * shorter side has resize_shorter pixels, at least height and width, and the middle is cut out. */
TN_API tn_status tn_image_read_middle(const char *path, int64_t resize_shorter, int64_t height,
                                      int64_t width, int64_t channels, uint8_t *pixels,
                                      bool *resized, tn_error *error);
/* Writes pixels [height][width][channels] (channels 1 or 3) as a PNG file: complete or not at all.
 */
TN_API tn_status tn_image_write(const char *path, int64_t height, int64_t width, int64_t channels,
                                const uint8_t *pixels, tn_error *error);

/* ---- Tensors ------------------------------------------------------------------------------ */

#define TN_MAX_RANK 8

/* Models compute in float32, and in int64, int32 and bool where indices or shapes need it; the
 * other types can be stored, moved and converted. */
typedef enum tn_dtype {
    TN_FLOAT32 = 0,
    TN_UINT8,
    TN_INT32,
    TN_INT64,
    TN_FLOAT16,
    TN_BFLOAT16, /* the upper half of a float32 */
    TN_FLOAT64,
    TN_BOOL, /* a byte, 0 or 1 */
    TN_INT8,
    TN_INT16,
    TN_UINT16,
    TN_UINT32,
    TN_UINT64
} tn_dtype;
enum { TN_N_DTYPES = TN_UINT64 + 1 };

/* "float32", "bool" and the like. */
TN_API const char *tn_dtype_name(tn_dtype dtype);

/* A view of the caller's memory in row-major order. */
typedef struct tn_tensor {
    const char *name; /* of the model's input or output; NULL matches by position */
    tn_dtype dtype;
    int rank;
    int64_t dims[TN_MAX_RANK]; /* dims[0] counts the samples of a batch */
    void *data;
    size_t bytes; /* size of data */
} tn_tensor;

/* Reads a tensor from a .npy file or an ONNX TensorProto (.pb); tensor->data is released by
 * tn_tensor_free. Fails with TN_ERR_ARGUMENT for another ending, TN_ERR_NOT_FOUND, TN_ERR_IO,
 * TN_ERR_FORMAT, TN_ERR_UNSUPPORTED, TN_ERR_MEMORY. */
TN_API tn_status tn_tensor_load(const char *path, tn_tensor *tensor, tn_error *error);
/* Writes a tensor to a .npy or .pb file, by the ending of path; replaces an existing file. */
TN_API tn_status tn_tensor_save(const char *path, const tn_tensor *tensor, tn_error *error);
TN_API void tn_tensor_free(tn_tensor *tensor);

/* ---- Models ------------------------------------------------------------------------------- */

/* A graph of operators and its weights; immutable, may be shared between threads. */
typedef struct tn_model tn_model;

typedef struct tn_model_options {
    size_t size;
    int64_t channels, height, width; /* of an input image; default 1, 28, 28 */
    int n_classes;                   /* default 10 */
    const char *const *class_names;  /* [n_classes], copied; default the numbers */
    double mean, std;                /* the model normalises pixels in 0..1 by these;
                                        default 0.1307 and 0.3081, those of MNIST */
    uint64_t seed;                   /* of the initial weights */
} tn_model_options;

typedef struct tn_model_info {
    size_t size;
    const char *name;
    int n_inputs, n_outputs, n_nodes, n_parameter_tensors;
    int64_t parameters;              /* trainable numbers */
    int64_t macs;                    /* multiply-accumulates of one sample */
    int64_t channels, height, width; /* of an input image; 0 if the model takes no images */
    int n_classes;                   /* 0 if unknown */
    const char *const *class_names;  /* [n_classes] */
    int opset;                       /* of ONNX */
    bool quantised;                  /* holds INT8 operators */
} tn_model_info;

typedef struct tn_node_info {
    size_t size;
    const char *name, *op;
    tn_tensor output;     /* name, type and shape of the first output for a batch of 1; no data */
    char attributes[192]; /* "kernel 3x3, stride 1x1, ..." */
    int64_t parameters, macs;
} tn_node_info;

/* Names of the built-in models, NULL-terminated. */
TN_API const char *const *tn_model_builtin_names(void);
/* Builds a built-in model with fresh weights. Fails with TN_ERR_NOT_FOUND (the message lists the
 * names) and TN_ERR_ARGUMENT for an image size that the model cannot take. */
TN_API tn_status tn_model_build(const char *name, const tn_model_options *options, tn_model **model,
                                tn_error *error);
/* What is known of a model's inputs before it is read. */
typedef struct tn_model_load_options {
    size_t size;
    /* One tensor for each input of which something is known, by name or, where that is NULL, by
     * position. Its shape gives sizes to dimensions that the file leaves open; dims[0] may count
     * the samples of a batch, and is no more than an example then. data may be NULL. If it is not,
     * and the model needs what the input holds while it is read, such as the target of a Reshape,
     * then the input is this constant, and no input of the model any more. */
    const tn_tensor *inputs;
    int n_inputs;
} tn_model_load_options;

/* Reads an ONNX file, and the tensors that it keeps in files beside it. options may be NULL. A
 * model whose operators would mix the samples of a batch is taken for the one size that its file,
 * or the options, give to all inputs. Fails with TN_ERR_FORMAT, TN_ERR_UNSUPPORTED (naming node,
 * operator and opset), TN_ERR_MISMATCH for options that do not fit, TN_ERR_NOT_FOUND, TN_ERR_IO,
 * TN_ERR_MEMORY. */
TN_API tn_status tn_model_load_with(const char *path, const tn_model_load_options *options,
                                    tn_model **model, tn_error *error);
TN_API tn_status tn_model_load(const char *path, tn_model **model, tn_error *error);
/* The same of bytes, which cannot have tensors in other files. */
TN_API tn_status tn_model_load_memory(const void *bytes, size_t n_bytes, tn_model **model,
                                      tn_error *error);
/* Writes an ONNX file, complete or not at all: opset 17 and IR version 8, or the first opset that
 * has all that the model needs. */
TN_API tn_status tn_model_save(const tn_model *model, const char *path, tn_error *error);
TN_API void tn_model_free(tn_model *model);

typedef struct tn_head_options {
    size_t size;
    int n_classes;
    const char *const *class_names; /* [n_classes], copied; default the numbers */
    uint64_t seed;                  /* of the new layer's weights */
} tn_head_options;

/* A copy of a model for other classes, to be trained further: the last fully connected layer or
 * convolution before the first output is made anew, with as many outputs; all else is as it was.
 * Fails with TN_ERR_UNSUPPORTED if the scores do not come from such a layer of its own,
 * TN_ERR_ARGUMENT, TN_ERR_MEMORY. */
TN_API tn_status tn_model_replace_head(const tn_model *model, const tn_head_options *options,
                                       tn_model **replaced, tn_error *error);

/* How pixels in 0..1 become what a model takes: (pixel · scale - mean) / std, by channel. */
typedef struct tn_preprocessing {
    size_t size;
    double scale;           /* 255 for a model that takes 0..255; default 1 */
    double mean[4], std[4]; /* in the order of the model's channels; a std of 0 is 1 */
    bool bgr;               /* the model's channels are blue, green and red */
    int64_t resize_shorter; /* of pictures: their shorter side is made so long, then the middle is
                               cut out; 0: the middle is cut out as large as it can be */
} tn_preprocessing;

/* What the file's metadata says; else nothing but the default: pixels in 0..1, red first. */
TN_API void tn_model_get_preprocessing(const tn_model *model, tn_preprocessing *preprocessing);
/* Tells of a model from another program what its file does not tell. Wherever pixels are given
 * (sessions made from now on, training), they are prepared like that, and tn_model_save keeps it.
 * Not while other threads use the model. Fails with TN_ERR_ARGUMENT for numbers that make no sense,
 * TN_ERR_MISMATCH if the model does not take images. */
TN_API tn_status tn_model_set_preprocessing(tn_model *model, const tn_preprocessing *preprocessing,
                                            tn_error *error);
/* Gives the classes other names [n], copied. Not while other threads use the model. Fails with
 * TN_ERR_MISMATCH if they are not as many as the classes, TN_ERR_MEMORY. */
TN_API tn_status tn_model_name_classes(tn_model *model, int n, const char *const *names,
                                       tn_error *error);
/* The SHA-256 of all parameters in canonical form, in hexadecimal. */
TN_API void tn_model_weights_sha256(const tn_model *model, char hex[65]);

/* Strings belong to the model. */
TN_API void tn_model_describe(const tn_model *model, tn_model_info *info);
TN_API void tn_model_describe_input(const tn_model *model, int i, tn_tensor *tensor);
TN_API void tn_model_describe_output(const tn_model *model, int i, tn_tensor *tensor);
/* Parameter i of n_parameter_tensors, in the order of weights_sha256: name and shape, no data. */
TN_API void tn_model_describe_parameter(const tn_model *model, int i, tn_tensor *tensor);
TN_API void tn_model_describe_node(const tn_model *model, int i, tn_node_info *info);

typedef enum tn_precision { TN_PRECISION_FP32 = 0, TN_PRECISION_INT8 } tn_precision;

typedef struct tn_convert_options {
    size_t size;
    tn_precision precision;
} tn_convert_options;

/* A model that computes the same with fewer nodes, each of which standard ONNX has: constants are
 * computed, batch normalisation and other factors of channels are part of the weights, what does
 * nothing is gone. Outputs differ by rounding; in- and outputs, classes and the recipe are those of
 * model. Sessions in mode fp32 do all that while they load, and more, so that it is for other
 * programs, and for smaller files. options may be NULL. Fails with TN_ERR_MEMORY, and with
 * TN_ERR_UNSUPPORTED for TN_PRECISION_INT8, which is planned. */
TN_API tn_status tn_model_convert(const tn_model *model, const tn_convert_options *options,
                                  tn_model **converted, tn_error *error);

/* ---- Building models ---------------------------------------------------------------------- */

/* A model in the making, and a value in it. Errors stick: after the first failure every tn_build_
 * function does nothing and returns NULL, and tn_builder_finish reports what failed; so a model is
 * a page of calls without a check between them (docs/own-model.md). Parameters get names such as
 * "conv1.weight", layers of a kind being numbered from 1. */
typedef struct tn_builder tn_builder;
typedef struct tn_value tn_value; /* belongs to its builder */

/* How weights of convolutions and fully connected layers begin. */
typedef enum tn_weights {
    TN_WEIGHTS_UNIFORM = 0, /* weights and biases within 1/sqrt(fan-in): PyTorch's default */
    TN_WEIGHTS_HE           /* normal, variance 2/fan-in (He et al. 2015), biases 0 */
} tn_weights;

/* options as for tn_model_build. Fails with TN_ERR_MEMORY, TN_ERR_ARGUMENT. */
TN_API tn_status tn_builder_create(const char *name, const tn_model_options *options,
                                   tn_builder **builder, tn_error *error);
/* Of all layers that follow. */
TN_API void tn_builder_set_weights(tn_builder *builder, tn_weights weights);
/* Makes scores [n][classes] the model's output and frees the builder, on failure too. */
TN_API tn_status tn_builder_finish(tn_builder *builder, tn_value *scores, tn_model **model,
                                   tn_error *error);
TN_API void tn_builder_free(tn_builder *builder); /* instead of tn_builder_finish */

/* The model's input: pixels in 0..1 [n][channels][height][width], normalised by the options' mean
 * and std. */
TN_API tn_value *tn_build_images(tn_builder *builder);
/* `filters` of kernel x kernel over all channels of x, with zeros around the image. */
TN_API tn_value *tn_build_conv(tn_builder *builder, tn_value *x, int64_t filters, int64_t kernel,
                               int64_t stride, int64_t padding, bool bias);
/* Fully connected; x is [n][features]. */
TN_API tn_value *tn_build_linear(tn_builder *builder, tn_value *x, int64_t n_out);
/* Batch normalisation over all but axis 1 (Ioffe and Szegedy 2015). */
TN_API tn_value *tn_build_batch_norm(tn_builder *builder, tn_value *x);
TN_API tn_value *tn_build_relu(tn_builder *builder, tn_value *x);
/* Windows of kernel x kernel. */
TN_API tn_value *tn_build_max_pool(tn_builder *builder, tn_value *x, int64_t kernel,
                                   int64_t stride);
TN_API tn_value *tn_build_average_pool(tn_builder *builder, tn_value *x, int64_t kernel,
                                       int64_t stride);
TN_API tn_value *tn_build_global_average_pool(tn_builder *builder, tn_value *x);
TN_API tn_value *tn_build_dropout(tn_builder *builder, tn_value *x, double ratio);
/* [n][...] -> [n][everything else] */
TN_API tn_value *tn_build_flatten(tn_builder *builder, tn_value *x);
TN_API tn_value *tn_build_add(tn_builder *builder, tn_value *a, tn_value *b);
/* Along axis 1. */
TN_API tn_value *tn_build_concat(tn_builder *builder, tn_value *const *x, int n);
/* A trainable tensor, for tn_build_op; data [product of dims] is copied. */
TN_API tn_value *tn_build_parameter(tn_builder *builder, const char *name, int rank,
                                    const int64_t *dims, const float *data);
/* Any operator that tenon knows, by its ONNX name; attributes are written as tenon info prints
 * them: "kernel_shape=3,3 strides=2,2" (NULL for none). Of the inputs, NULL leaves out an optional
 * one. Returns the first output. */
TN_API tn_value *tn_build_op(tn_builder *builder, const char *onnx_type, const char *attributes,
                             tn_value *const *inputs, int n_inputs);
/* Size of an axis of x; axis 0 counts samples and is 1. 0 after a failure or beyond the rank. */
TN_API int64_t tn_build_dim(const tn_value *x, int axis);

/* ---- Sessions: inference ------------------------------------------------------------------ */

/* A model prepared for running: plan, memory, threads. For one thread at a time; several threads
 * run a model at once each by a session of its own, of which tn_session_clone makes further ones
 * that share the weights. */
typedef struct tn_session tn_session;

/* Which graph is run. */
typedef enum tn_mode {
    TN_MODE_DEFAULT = 0, /* fp32 */
    TN_MODE_REFERENCE,   /* the graph as it was trained, no passes */
    TN_MODE_FP32         /* rewritten for speed: outputs differ from the reference by rounding */
} tn_mode;

typedef struct tn_session_options {
    size_t size;
    tn_mode mode;
    int n_threads;     /* default: the core budget */
    int64_t max_batch; /* the largest batch of one run; default 64 */
    int64_t tile;      /* samples that a thread takes through a segment of the plan at once; default
                          what fits the caches. For tests: no bit of a result depends on it */
    int64_t tile_rows; /* likewise, rows of a large image; default where it pays */
    tn_pin pin;
    bool images_only; /* prepare for tn_session_classify and what uses it alone; tn_session_run then
                         prepares when first called */
} tn_session_options;

/* The model must outlive the session. Fails with TN_ERR_MEMORY, TN_ERR_ARGUMENT,
 * TN_ERR_UNSUPPORTED. */
TN_API tn_status tn_session_create(const tn_model *model, const tn_session_options *options,
                                   tn_session **session, tn_error *error);
/* Another session of the same model and options, for another thread to use at the same time. Both
 * share plan and weights, and have threads and memory to run in of their own. May be called while
 * the session runs; either may be freed first. Fails with TN_ERR_MEMORY, TN_ERR_IO. */
TN_API tn_status tn_session_clone(const tn_session *session, tn_session **clone, tn_error *error);
TN_API void tn_session_free(tn_session *session);
TN_API int tn_session_threads(const tn_session *session);
/* Whether its workers are bound to a processor each. */
TN_API bool tn_session_pinned(const tn_session *session);
/* The shape of output i for a batch of n samples, 1 to max_batch; data is NULL, bytes is what it
 * needs. */
TN_API tn_status tn_session_output(const tn_session *session, int i, int64_t n, tn_tensor *tensor,
                                   tn_error *error);
/* Runs the model on one batch. inputs and outputs match the model's by name, or by position where
 * name is NULL; outputs that are not asked for are not delivered. Fails with TN_ERR_MISMATCH if a
 * name, type, shape or size does not fit. */
TN_API tn_status tn_session_run(tn_session *session, const tn_tensor *inputs, int n_inputs,
                                const tn_tensor *outputs, int n_outputs, tn_error *error);
/* Runs an image model on n images [n][height][width][channels], in batches of max_batch, and
 * writes its first output to scores [n][n_classes]. */
TN_API tn_status tn_session_classify(tn_session *session, const uint8_t *images, int64_t n,
                                     float *scores, tn_error *error);

typedef struct tn_evaluation {
    size_t size;
    int64_t n, n_correct;
    double accuracy; /* n_correct / n */
    double loss;     /* mean cross-entropy in nats */
    double seconds, images_per_s;
} tn_evaluation;

/* Classifies a whole data set. predictions [n] and losses [n] (cross-entropy of each image in nats)
 * may be NULL. */
TN_API tn_status tn_session_evaluate(tn_session *session, const tn_dataset *dataset,
                                     int32_t *predictions, float *losses, tn_evaluation *evaluation,
                                     tn_error *error);

/* An image that a model takes for something else. */
typedef struct tn_mistake {
    int64_t image; /* its place in the data set */
    int32_t label, prediction;
    float loss;        /* cross-entropy in nats */
    float probability; /* that the model gives its prediction */
} tn_mistake;

/* Writes the worst of an evaluation's mistakes to mistakes, the highest loss first, at most
 * max_mistakes; *n is how many those are. predictions and losses are those of tn_session_evaluate
 * for this session and data set. */
TN_API tn_status tn_session_mistakes(tn_session *session, const tn_dataset *dataset,
                                     const int32_t *predictions, const float *losses,
                                     int64_t max_mistakes, tn_mistake *mistakes, int64_t *n,
                                     tn_error *error);
/* Draws n mistakes, which may be none, as a PNG file of enlarged images with what they are and what
 * they were taken for, below a line with the title. class_names [n_classes] are the model's; a
 * class beyond them is shown as a number. Fails as tn_image_write does, with TN_ERR_ARGUMENT for an
 * image that is not in the data set. */
TN_API tn_status tn_contact_sheet_write(const char *path, const char *title,
                                        const tn_dataset *dataset, const char *const *class_names,
                                        int n_classes, const tn_mistake *mistakes, int64_t n,
                                        tn_error *error);

/* ---- Tuning ------------------------------------------------------------------------------- */

/* Each pass of a convolution can be computed in several ways; which one is a function of its shape
 * and the level of kernels, from a table in the library. A tuning is another such table, for the
 * convolutions of a model, measured on the machine at hand. It changes the last bits of results:
 * checkpoints keep its hash. Immutable, may be shared between threads. */
typedef struct tn_tuning tn_tuning;

typedef struct tn_tune_options {
    size_t size;
    int64_t batch_size;       /* default: the recipe's */
    int n_threads;            /* default: the core budget */
    double seconds;           /* for all measurements together, at least some steps; default 10 */
    const volatile int *stop; /* polled between steps; non-zero ends measuring early */
} tn_tune_options;

typedef struct tn_tuning_info {
    size_t size;
    char level[16];  /* of kernels that it is for */
    char sha256[65]; /* of level, shapes and choices, in hexadecimal */
    int n_choices;
} tn_tuning_info;

enum { TN_TUNING_MAX_CANDIDATES = 8 };

/* A pass of all convolutions of one shape. Strings belong to the tuning or the library. */
typedef struct tn_tuning_choice {
    size_t size;
    const char *pass; /* "forward", "input-gradient", "weight-gradient" */
    char shape[320];  /* "16x28x28 by 32x16x3x3, pads 1,1,1,1": input by weight, as ONNX has them */
    const char *implementation;
    const char *built_in; /* what is taken without the tuning; NULL if it is from a file */
    int n_nodes;          /* of the model that was measured; 0 likewise */
    int n_candidates;
    const char *candidates[TN_TUNING_MAX_CANDIDATES];
    double ms[TN_TUNING_MAX_CANDIDATES]; /* of these nodes in a step of training, all threads
                                            together: medians */
} tn_tuning_choice;

/* Plans a step of training with each of the implementations that can compute a pass, and runs them
 * in turn. Another one than the built-in is chosen if it is faster beyond noise: by 5 % in three of
 * four turns. What has no choice is left out. Fails as tn_train does, and with TN_STOPPED if it was
 * stopped before everything had run. */
TN_API tn_status tn_tune(const tn_model *model, const tn_tune_options *options, tn_tuning **tuning,
                         tn_error *error);
/* Reads a JSON file. Fails with TN_ERR_NOT_FOUND, TN_ERR_IO, TN_ERR_FORMAT, TN_ERR_MEMORY. */
TN_API tn_status tn_tuning_load(const char *path, tn_tuning **tuning, tn_error *error);
/* Writes one: complete or not at all. */
TN_API tn_status tn_tuning_save(const tn_tuning *tuning, const char *path, tn_error *error);
TN_API void tn_tuning_free(tn_tuning *tuning);
TN_API void tn_tuning_describe(const tn_tuning *tuning, tn_tuning_info *info);
TN_API void tn_tuning_describe_choice(const tn_tuning *tuning, int i, tn_tuning_choice *choice);

/* ---- Training ----------------------------------------------------------------------------- */

typedef enum tn_optimizer {
    TN_OPTIMIZER_DEFAULT = 0, /* of the model's recipe */
    TN_OPTIMIZER_SGD,         /* with momentum */
    TN_OPTIMIZER_ADAM,        /* Kingma and Ba 2015 */
    TN_OPTIMIZER_ADAMW,       /* Loshchilov and Hutter 2019: weight decay apart from the gradient */
    TN_OPTIMIZER_ADADELTA,    /* Zeiler 2012 */
    TN_OPTIMIZER_RMSPROP,     /* Tieleman and Hinton 2012 */
    TN_OPTIMIZER_LARS         /* You et al. 2017: SGD with a rate for each tensor */
} tn_optimizer;

typedef enum tn_schedule {
    TN_SCHEDULE_DEFAULT = 0, /* of the model's recipe */
    TN_SCHEDULE_CONSTANT,
    TN_SCHEDULE_STEP,      /* the learning rate falls tenfold after each third of training */
    TN_SCHEDULE_ONE_CYCLE, /* rises for 30 % of training, then falls to almost nothing */
    TN_SCHEDULE_COSINE,    /* falls to 0 along half a cosine */
    TN_SCHEDULE_POLYNOMIAL /* falls to 0 as (1 - progress) squared */
} tn_schedule;

/* Changes made to each training image anew in every epoch; zero is none. What is outside the image
 * is black. Drawn from the seed, the step and the image's place in it. */
typedef struct tn_augmentation {
    int64_t crop;   /* moved by up to so many whole pixels: a random crop of the padded image */
    double shift;   /* moved by up to so many pixels, in fractions */
    double rotate;  /* turned by up to so many degrees */
    double scale;   /* grown or shrunk by up to this fraction: 0.1 is 0.9 to 1.1 */
    bool flip;      /* mirrored left to right, every other image */
    int64_t cutout; /* a square with sides of so many pixels becomes black (DeVries, Taylor 2017) */
    double mixup;   /* blended with another image, weights from Beta(mixup, mixup) (Zhang 2018) */
} tn_augmentation;

/* An open event file: see below. */
typedef struct tn_events tn_events;

/* What a progress callback is told. Called from the training thread after every step, and once more
 * with epoch_end set at the end of each epoch. */
typedef struct tn_progress {
    size_t size;
    int64_t epoch, epochs; /* epoch counts from 1 */
    int64_t step, steps;   /* done and in all */
    int64_t step_in_epoch, steps_per_epoch;
    double loss, accuracy; /* means over this epoch so far, on the training data */
    double held_out_loss, held_out_accuracy; /* NaN without a held-out split or before epoch_end */
    double lr;
    double images_per_s; /* over this run */
    double seconds, seconds_left;
    bool epoch_end;
} tn_progress;

typedef struct tn_train_options {
    size_t size;
    /* Zero stands for the model's recipe, or the value given here. */
    int64_t epochs;
    int64_t batch_size;
    tn_optimizer optimizer;
    tn_schedule schedule;
    double lr;              /* peak learning rate */
    double momentum;        /* of SGD and LARS; 0.9; negative for none */
    double weight_decay;    /* as PyTorch's optimiser of the name does; negative for none */
    double label_smoothing; /* 0 */
    double held_out;        /* fraction of the training data kept for validation, in [0, 1); 0 */
    int64_t limit;          /* use only the first `limit` training images; 0 for all */
    int64_t max_steps;      /* stop after so many steps in all, as if asked to; 0 for no limit */
    uint64_t seed;          /* of order, dropout; 0 is a seed like any other */
    int n_threads;          /* default: the core budget */
    bool nesterov;          /* SGD's momentum in Nesterov's form */
    bool decay_all;         /* weight decay of biases and norms (tensors of rank 0 and 1), too */
    double warmup;          /* epochs in which the learning rate rises to the schedule's; 0 */
    double clip_norm;       /* gradients are scaled down to this L2 norm; 0 for no limit */
    int64_t accumulate;     /* batches whose mean gradient makes a step; 1 */
    double ema;             /* decay of an average of the weights that is kept, evaluated and
                               delivered in their place, such as 0.999; 0 for none */
    int64_t patience; /* epochs without a better held-out loss before training ends; 0 for ever */
    bool keep_best;   /* deliver the weights of the epoch with the best held-out accuracy */
    int64_t bn_group; /* samples whose statistics batch normalisation uses: the batch size
                         divided by a power of two; default the batch */
    tn_augmentation augment;
    int64_t tile, tile_rows;    /* as in tn_session_options */
    const char *checkpoint_dir; /* NULL writes no checkpoints; made if missing */
    int64_t checkpoint_every;   /* steps between checkpoints; default: the end of each epoch */
    int checkpoint_keep;        /* the last so many are kept; 3 */
    bool resume;                /* go on from the newest good checkpoint in checkpoint_dir */
    const volatile int *stop;   /* polled between steps; non-zero ends training with a checkpoint */
    tn_events *events;          /* told of the course of training; NULL for nobody */
    void (*on_progress)(void *user, const tn_progress *progress);
    tn_log_fn *log;
    void *user; /* passed to both callbacks */
    tn_pin pin;
    /* Patterns [n_freeze] as a shell's, "features.*": parameters whose names match one get no
     * gradient and stay as they are. So does normalisation with its statistics, if any of these or
     * both its scale and its shift match. What lies before all that is trained is computed forward
     * only. */
    const char *const *freeze;
    int n_freeze;
    bool no_winograd;        /* convolve directly: to measure what Winograd's rounding costs */
    const tn_tuning *tuning; /* for the kernels in use, else TN_ERR_MISMATCH; NULL for none */
} tn_train_options;

typedef struct tn_train_result {
    size_t size;
    int64_t steps, epochs;                   /* done in all, resumed ones included */
    int64_t images;                          /* trained on in this run */
    double loss, accuracy;                   /* of the last epoch, on the training data */
    double held_out_loss, held_out_accuracy; /* NaN without a held-out split */
    double seconds, images_per_s;
    int n_threads;
    int64_t batch_size;
    bool resumed, stopped;
    tn_optimizer optimizer;
    tn_schedule schedule;
    double lr;
    char checkpoint[1024]; /* path of the last checkpoint written; "" if none */
    int64_t best_epoch;    /* whose weights were delivered, from 1; 0 without keep_best */
    bool ended_early;      /* because of patience */
    bool pinned;           /* the workers were bound to a processor each */
} tn_train_result;

/* Fills the zeros of options with the recipe of model; for telling a user what will be done. */
TN_API void tn_train_resolve(const tn_model *model, const tn_dataset *dataset,
                             tn_train_options *options);

/* Trains a copy of model and returns it in *trained. The same model, data, options and kernel level
 * give the same bits for any number of threads. Returns TN_OK; TN_STOPPED after options->stop or
 * max_steps (with *trained and *result filled, and a checkpoint if a directory was given);
 * TN_ERR_NUMERIC if the loss is not finite (the last good checkpoint is kept); TN_ERR_MISMATCH if
 * model and data, or checkpoint and model, do not fit; TN_ERR_IO if the directory cannot be
 * written, which is tried before the first step. */
TN_API tn_status tn_train(const tn_model *model, const tn_dataset *dataset,
                          const tn_train_options *options, tn_model **trained,
                          tn_train_result *result, tn_error *error);

/* ---- Plans -------------------------------------------------------------------------------- */

/* How a model is run: its nodes in segments, what is held in memory, and what all of it should take
 * and takes here. The report belongs to the caller and does not need the model any more. */
typedef struct tn_plan_report tn_plan_report;

typedef struct tn_plan_report_options {
    size_t size;
    bool training;      /* a step of training with the model's recipe, without the optimiser; else
                           inference, from uint8 pixels if the model classifies images */
    int64_t batch_size; /* default: the recipe's; 64 for inference */
    int n_threads;      /* default: the core budget */
    int64_t tile, tile_rows; /* as in tn_session_options */
    const tn_tuning *tuning; /* as in tn_train_options; for training only */
} tn_plan_report_options;

/* Times are of one batch: expected from shapes and the rates below; measured in several runs, of
 * which the one with the median time counts. */
typedef struct tn_plan_info {
    size_t size;
    bool training;
    int64_t batch_size;
    int n_threads;
    int n_shards; /* parts of the batch whose gradients are summed in a tree */
    int n_segments, n_nodes;
    char level[16];    /* of kernels */
    int64_t macs;      /* of a batch */
    double expected_s; /* of all segments */
    double measured_s; /* in all, the next two included */
    double packing_s;  /* measured: weights in the form that kernels like */
    double summing_s;  /* measured: gradients over the shards after the last segment */
    int n_runs;        /* that were measured */
    double macs_per_s; /* of one core, on numbers in its first-level cache; all at work */
    double l2_bytes_per_s, l3_bytes_per_s, memory_bytes_per_s; /* likewise, read and written */
    /* Memory for running */
    int64_t parameter_bytes; /* a flat vector; gradients and the optimiser's states are more */
    int64_t batch_bytes;     /* values that cross segments */
    int64_t tile_bytes;      /* values within segments, of one thread */
    int64_t workspace_bytes; /* of one thread */
    int64_t partial_bytes;   /* sums over samples, one for each shard */
    int64_t packed_bytes;    /* weights in the form that kernels like */
    int64_t total_bytes;     /* of all that, for all threads */
} tn_plan_info;

/* A run of nodes between two meetings of the threads. */
typedef struct tn_plan_segment_info {
    size_t size;
    bool tiled;       /* a task takes samples through all nodes; else it is a unit of one of them */
    bool by_shard;    /* a task is a shard, tile after tile; else one tile */
    int64_t tile;     /* samples */
    int n_bands;      /* a task is a part of one sample, one of so many; else 1 */
    bool by_channels; /* these parts are channels of the output; else bands of rows */
    int64_t n_tasks;  /* that threads take */
    int first_node, n_nodes;
    int64_t macs, bytes_in, bytes_out;     /* sums over its nodes */
    double expected_s, measured_s;         /* by the clock */
    double expected_cpu_s, measured_cpu_s; /* of all threads together, sums over its nodes */
} tn_plan_segment_info;

typedef struct tn_plan_node_info {
    size_t size;
    const char *name, *op, *implementation;
    int segment;
    bool again; /* computed in an earlier segment, too, and not kept */
    int64_t macs;
    int64_t bytes_in, bytes_out; /* of a batch */
    const char *place; /* where outputs are: "tile", "batch", "partial" (one for each shard),
                          "gradient", or several: "tile+batch" */
    int64_t rows;      /* of a large image that one call makes; 0: whole samples */
    bool held;         /* only the rows at hand are in memory */
    double expected_cpu_s, measured_cpu_s; /* of all threads together */
} tn_plan_node_info;

/* Plans the model, runs it a few times on random inputs, for about a second, and reports. Fails as
 * tn_session_create or tn_train do. */
TN_API tn_status tn_plan_report_create(const tn_model *model, const tn_plan_report_options *options,
                                       tn_plan_report **report, tn_error *error);
TN_API void tn_plan_report_free(tn_plan_report *report);
/* Strings belong to the report. */
TN_API void tn_plan_report_describe(const tn_plan_report *report, tn_plan_info *info);
TN_API void tn_plan_report_describe_segment(const tn_plan_report *report, int i,
                                            tn_plan_segment_info *info);
TN_API void tn_plan_report_describe_node(const tn_plan_report *report, int i,
                                         tn_plan_node_info *info);

/* ---- Event files -------------------------------------------------------------------------- */

/* Event files are what TensorBoard shows. Writing is buffered; the first failure sticks and is
 * reported by tn_events_close. Steps need not ascend. One thread at a time; NULL for events does
 * nothing. */

/* Makes a new file in dir, which is made if missing. Fails with TN_ERR_IO, TN_ERR_MEMORY. */
TN_API tn_status tn_events_open(const char *dir, tn_events **events, tn_error *error);
TN_API void tn_events_scalar(tn_events *events, const char *tag, int64_t step, double value);
/* The distribution of values [n]; those that are not finite are left out. */
TN_API void tn_events_histogram(tn_events *events, const char *tag, int64_t step,
                                const float *values, int64_t n);
/* pixels [height][width][channels], channels 1 or 3. */
TN_API void tn_events_image(tn_events *events, const char *tag, int64_t step, int64_t height,
                            int64_t width, int64_t channels, const uint8_t *pixels);
/* Writes out what is buffered. */
TN_API void tn_events_flush(tn_events *events);
/* Closes and frees; accepts NULL. */
TN_API tn_status tn_events_close(tn_events *events, tn_error *error);

#ifdef __cplusplus
}
#endif

#endif
