/* onednn_versions.h: what differs between versions 2 and 3 of oneDNN's C API, as far as matmul
 * needs it. */
#ifndef GM_ONEDNN_VERSIONS_H
#define GM_ONEDNN_VERSIONS_H

#include <oneapi/dnnl/dnnl.h>

/* In version 2 a memory descriptor is a structure, in version 3 a pointer to one. */
#if DNNL_VERSION_MAJOR >= 3
enum { ARGUMENT_ALPHA = DNNL_ARG_ATTR_SCALES | DNNL_ARG_SRC };
typedef const_dnnl_memory_desc_t layout_argument;

static inline layout_argument argument(const dnnl_memory_desc_t *layout)
{
    return *layout;
}

static inline dnnl_status_t layout_create(dnnl_memory_desc_t *layout, int rank,
                                          const dnnl_dims_t sizes, const dnnl_dims_t strides,
                                          dnnl_data_type_t type)
{
    return dnnl_memory_desc_create_with_strides(layout, rank, sizes, type, strides);
}

static inline void layout_destroy(dnnl_memory_desc_t *layout)
{
    dnnl_memory_desc_destroy(*layout);
}

static inline dnnl_status_t append_sum(dnnl_post_ops_t operations)
{
    return dnnl_post_ops_append_sum(operations, 1, 0, dnnl_data_type_undef);
}

static inline dnnl_status_t take_alpha_from_memory(dnnl_primitive_attr_t attributes)
{
    return dnnl_primitive_attr_set_scales_mask(attributes, DNNL_ARG_SRC, 0);
}

static inline dnnl_status_t matmul_describe(dnnl_primitive_desc_t *matmul, dnnl_engine_t engine,
                                            const dnnl_memory_desc_t layouts[3],
                                            dnnl_primitive_attr_t attributes)
{
    return dnnl_matmul_primitive_desc_create(matmul, engine, layouts[0], layouts[1], NULL,
                                             layouts[2], attributes);
}
#else
enum { ARGUMENT_ALPHA = DNNL_ARG_ATTR_OUTPUT_SCALES };
typedef const dnnl_memory_desc_t *layout_argument;

static inline layout_argument argument(const dnnl_memory_desc_t *layout)
{
    return layout;
}

static inline dnnl_status_t layout_create(dnnl_memory_desc_t *layout, int rank,
                                          const dnnl_dims_t sizes, const dnnl_dims_t strides,
                                          dnnl_data_type_t type)
{
    return dnnl_memory_desc_init_by_strides(layout, rank, sizes, type, strides);
}

static inline void layout_destroy(dnnl_memory_desc_t *layout)
{
    (void)layout;
}

static inline dnnl_status_t append_sum(dnnl_post_ops_t operations)
{
    return dnnl_post_ops_append_sum(operations, 1);
}

static inline dnnl_status_t take_alpha_from_memory(dnnl_primitive_attr_t attributes)
{
    const float later = DNNL_RUNTIME_F32_VAL;
    return dnnl_primitive_attr_set_output_scales(attributes, 1, 0, &later);
}

static inline dnnl_status_t matmul_describe(dnnl_primitive_desc_t *matmul, dnnl_engine_t engine,
                                            const dnnl_memory_desc_t layouts[3],
                                            dnnl_primitive_attr_t attributes)
{
    dnnl_matmul_desc_t operation;
    dnnl_status_t status =
        dnnl_matmul_desc_init(&operation, &layouts[0], &layouts[1], NULL, &layouts[2]);
    if (status == dnnl_success)
        status = dnnl_primitive_desc_create(matmul, &operation, attributes, engine, NULL);
    return status;
}
#endif

#endif
