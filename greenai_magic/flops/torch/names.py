"""PyTorch operators that cost the same for each element, where PyTorch's own tags do not say so.

Names are of the ``aten`` namespace, without the underscore of the in-place variant.
"""

from __future__ import annotations


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


MOVES = _names(
    """
    _assert_async _assert_scalar _assert_tensor_metadata _coalesced _conj _convert_weight_to_int4pack
    _copy_from _copy_from_and_resize _cudnn_init_dropout_state _cudnn_rnn_flatten_weight
    _efficientzerotensor _functional_assert_async _fused_sdp_choice _has_same_storage_numel _indices
    _jagged_to_padded_dense_forward _lazy_clone _linalg_check_errors _local_scalar_dense
    _make_per_channel_quantized_tensor _make_per_tensor_quantized_tensor _mkldnn_reshape _mkldnn_transpose
    _nested_from_padded _nested_view_from_buffer _nnz _pack_padded_sequence _pad_packed_sequence
    _padded_dense_to_jagged_forward _pin_memory _print _reshape_alias _reshape_copy _resize_output
    _sparse_coo_tensor_with_dims_and_tensors _spdiags _stack _chunk_cat _to_copy _to_dense _to_sparse
    _unique _unique2 _unsafe_index _unsafe_masked_index _unsafe_view _values alias arange argwhere
    as_strided as_strided_scatter bernoulli binomial block_diag bucketize cat cauchy channel_shuffle clone
    col2im constant_pad_nd copy dense_dim detach diag_embed diagonal diagonal_backward diagonal_scatter
    embedding expand exponential eye fill flip
    from_file full full_like gather geometric im2col index index_copy index_fill index_select int_repr
    is_coalesced is_pinned is_same_size is_set_to lift lift_fresh linspace log_normal logspace lu_unpack
    masked_fill masked_scatter masked_scatter_backward masked_select max_unpool2d max_unpool3d
    mkldnn_reorder_conv2d_weight mkldnn_reorder_conv3d_weight multinomial narrow new_full
    nll_loss_backward nll_loss2d_backward new_ones new_zeros nonzero nonzero_static normal
    normal_functional ones
    ones_like permute pixel_shuffle pixel_unshuffle poisson put q_per_channel_axis q_per_channel_scales
    q_per_channel_zero_points q_scale q_zero_point qscheme rand rand_like randint randint_like randn
    randn_like random randperm range record_stream reflection_pad1d reflection_pad2d reflection_pad3d
    repeat repeat_interleave replication_pad1d replication_pad2d replication_pad3d resize resize_as roll
    rot90 scalar_tensor scatter searchsorted select_backward select_scatter set slice_backward
    slice_scatter sparse_coo_tensor sparse_compressed_tensor sparse_dim sparse_mask split split_with_sizes
    squeeze stack sym_constrain_range sym_constrain_range_for_size sym_numel sym_size sym_storage_offset
    sym_stride t take to_mkldnn to_padded_tensor transpose tril tril_indices triu triu_indices
    unbind unfold unfold_backward uniform unique_consecutive unique_dim unique_dim_consecutive unsafe_chunk
    unsafe_split unsafe_split_with_sizes unsqueeze upsample_nearest1d upsample_nearest2d
    upsample_nearest3d _upsample_nearest_exact1d _upsample_nearest_exact2d _upsample_nearest_exact3d
    view zero zeros zeros_like
    """
)
"""Views, copies, indexing, padding, filling, random numbers: no arithmetic on the data."""

ALLOCATIONS = _names(
    """
    empty empty_like empty_permuted empty_quantized empty_strided new_empty new_empty_strided
    """
)
"""What touches no data at all."""

LOOKUPS = _names(
    """
    embedding gather index index_select take _unsafe_index
    """
)
"""Moves that read of their first argument only as much as they write."""

PER_OUTPUT = _names(
    """
    _add_relu _amp_update_scale _fused_dropout _masked_scale _prelu_kernel affine_grid_generator
    binary_cross_entropy_backward complex elu_backward fake_quantize_per_channel_affine_cachemask
    fake_quantize_per_tensor_affine_cachemask floor_divide glu hardshrink_backward hardsigmoid_backward
    hardswish hardswish_backward hardtanh_backward huber_loss_backward leaky_relu_backward linalg_cross
    log_sigmoid_backward mish_backward mse_loss_backward native_dropout polar
    _fake_quantize_per_tensor_affine_cachemask_tensor_qparams quantize_per_channel quantize_per_tensor
    quantize_per_tensor_dynamic dequantize renorm rrelu_with_noise rrelu_with_noise_backward
    smooth_l1_loss_backward soft_margin_loss_backward softplus_backward softshrink_backward trace
    glu_backward _weight_norm multi_margin_loss_backward
    _prelu_kernel_backward adaptive_max_pool2d_backward adaptive_max_pool3d_backward
    fractional_max_pool2d_backward fractional_max_pool3d_backward
    """
)
"""One operation for each element of the result."""

PER_INPUT = _names(
    """
    _adaptive_avg_pool2d _adaptive_avg_pool2d_backward _adaptive_avg_pool3d _adaptive_avg_pool3d_backward
    _aminmax _cummax_helper _cummin_helper _embedding_bag_backward _embedding_bag_dense_backward
    _is_all_true _is_any_true _logcumsumexp _segment_reduce_backward
    _upsample_nearest_exact1d_backward _upsample_nearest_exact2d_backward
    _upsample_nearest_exact3d_backward adaptive_avg_pool3d_backward adaptive_max_pool2d
    adaptive_max_pool3d allclose fractional_max_pool2d fractional_max_pool3d nanmedian batch_norm_stats
    binary_cross_entropy
    binary_cross_entropy_with_logits bincount cummax cummin cumprod cumsum dist
    embedding_dense_backward histc huber_loss isin log_sigmoid_forward logcumsumexp
    max_pool2d_with_indices_backward max_pool3d_with_indices_backward mkldnn_adaptive_avg_pool2d
    mkldnn_max_pool2d_backward mode mse_loss multi_margin_loss multilabel_margin_loss_forward
    _unsafe_masked_index_put_accumulate reflection_pad1d_backward reflection_pad2d_backward
    reflection_pad3d_backward replication_pad1d_backward replication_pad2d_backward
    replication_pad3d_backward segment_reduce smooth_l1_loss soft_margin_loss
    upsample_nearest1d_backward upsample_nearest2d_backward upsample_nearest3d_backward
    _nested_sum_backward
    """
)
"""One operation for each element of the first argument."""
