//! A tensor in memory of this process, which LiteRT reads or writes during a run.

use std::ptr::{self, NonNull};
use std::sync::Arc;

use super::environment::Environment;
use super::ffi;
use super::memory::AlignedBytes;
use super::status::created;
use crate::engine::EngineError;
use crate::tensor::{ElementType, TensorInfo, TensorMut, TensorRef};

/// Whether a model reads or writes a tensor.
#[derive(Clone, Copy, Debug)]
pub(super) enum Direction {
    /// The model reads it.
    Input,
    /// The model writes it.
    Output,
}

/// An owned `LiteRtTensorBuffer`, and the memory that it refers to.
pub(super) struct HostTensor {
    handle: NonNull<ffi::TensorBuffer>,
    memory: AlignedBytes,
    element: ElementType,
    /// Number of elements. They fit into `memory`.
    len: usize,
    environment: Arc<Environment>,
}

impl HostTensor {
    /// Creates the tensor that `info` describes, in memory of at least `size` bytes.
    ///
    /// # Errors
    ///
    /// [`EngineError::Create`] if the shape cannot be expressed or LiteRT refuses the memory.
    pub(super) fn new(
        environment: &Arc<Environment>,
        info: &TensorInfo,
        size: usize,
    ) -> Result<Self, EngineError> {
        let size = size.max(info.len() * info.element.size());
        let mut memory = AlignedBytes::zeroed(size);
        let tensor_type = ranked_type(info).ok_or_else(|| EngineError::Create {
            stage: "tensor buffers",
            status: 1,
            detail: format!("tensor '{}' has shape {:?}", info.name, info.shape),
        })?;
        let mut handle = ptr::null_mut();
        // SAFETY: `tensor_type` is alive during the call. The memory has `size` bytes and the
        // alignment that `litert_tensor_buffer.h` requires. Without a deallocator LiteRT does not
        // free it; `HostTensor` frees it after it destroys the buffer. LiteRT writes one pointer to
        // `handle`.
        let status = unsafe {
            (environment.api().create_tensor_buffer_from_host_memory)(
                &tensor_type,
                memory.as_mut_ptr().cast(),
                size,
                None,
                &mut handle,
            )
        };
        let handle = created("tensor buffers", status, handle)?;
        let environment = Arc::clone(environment);
        Ok(Self { handle, memory, element: info.element, len: info.len(), environment })
    }

    /// Returns the handle, which is valid while `self` exists. Takes `&mut self` because LiteRT may
    /// write the elements through it.
    pub(super) fn handle(&mut self) -> *mut ffi::TensorBuffer {
        self.handle.as_ptr()
    }

    /// Returns the elements for writing.
    pub(super) fn elements_mut(&mut self) -> TensorMut<'_> {
        let (memory, len) = (self.memory.as_mut_ptr(), self.len);
        // SAFETY: `new` made the memory large enough for `len` elements. It is initialized, and
        // aligned to 64 bytes, which is enough for every element type. Every bit pattern is a valid
        // element. The exclusive borrow of `self` excludes a run, and LiteRT accesses the elements
        // only during a run.
        unsafe {
            match self.element {
                ElementType::F32 => {
                    TensorMut::F32(std::slice::from_raw_parts_mut(memory.cast(), len))
                }
                ElementType::F16 => {
                    TensorMut::F16(std::slice::from_raw_parts_mut(memory.cast(), len))
                }
                ElementType::U8 => TensorMut::U8(std::slice::from_raw_parts_mut(memory, len)),
                ElementType::I8 => {
                    TensorMut::I8(std::slice::from_raw_parts_mut(memory.cast(), len))
                }
            }
        }
    }

    /// Returns the elements.
    pub(super) fn elements(&self) -> TensorRef<'_> {
        let (memory, len) = (self.memory.as_ptr(), self.len);
        // SAFETY: as in `elements_mut` for size, alignment and contents. The borrow of `self`
        // excludes writes: a run borrows the tensor exclusively.
        unsafe {
            match self.element {
                ElementType::F32 => TensorRef::F32(std::slice::from_raw_parts(memory.cast(), len)),
                ElementType::F16 => TensorRef::F16(std::slice::from_raw_parts(memory.cast(), len)),
                ElementType::U8 => TensorRef::U8(std::slice::from_raw_parts(memory, len)),
                ElementType::I8 => TensorRef::I8(std::slice::from_raw_parts(memory.cast(), len)),
            }
        }
    }
}

impl Drop for HostTensor {
    fn drop(&mut self) {
        // SAFETY: `new` created the handle with the same library and made `self` its only owner.
        // The memory is dropped afterwards.
        unsafe { (self.environment.api().destroy_tensor_buffer)(self.handle.as_ptr()) }
    }
}

/// Returns type and shape of `info` as LiteRT takes them, or `None` if it cannot express the shape.
fn ranked_type(info: &TensorInfo) -> Option<ffi::RankedTensorType> {
    let element_type = match info.element {
        ElementType::F32 => ffi::ELEMENT_FLOAT32,
        ElementType::F16 => ffi::ELEMENT_FLOAT16,
        ElementType::U8 => ffi::ELEMENT_UINT8,
        ElementType::I8 => ffi::ELEMENT_INT8,
    };
    Some(ffi::RankedTensorType { element_type, layout: ffi::Layout::dense(&info.shape)? })
}
