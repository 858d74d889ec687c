//! The options of an engine: hardware and CPU threads.

use std::ffi::c_int;

use super::ffi;

/// The hardware that runs the graph.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Accelerator {
    /// The CPU, through XNNPACK.
    #[default]
    Cpu,
    /// A GPU, through the accelerator library next to `libLiteRt.so`.
    Gpu,
    /// An NPU, through the dispatch library of its vendor.
    Npu,
}

impl Accelerator {
    /// Returns the name that users write: `cpu`, `gpu` or `npu`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Gpu => "gpu",
            Self::Npu => "npu",
        }
    }

    /// Returns the bit of this hardware in a `LiteRtHwAcceleratorSet`.
    pub(super) const fn bit(self) -> c_int {
        match self {
            Self::Cpu => ffi::ACCELERATOR_CPU,
            Self::Gpu => ffi::ACCELERATOR_GPU,
            Self::Npu => ffi::ACCELERATOR_NPU,
        }
    }
}

/// The options of a model's engines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LiteRtOptions {
    /// CPU threads of one inference; 0 is treated as 1.
    pub threads: u32,
    /// The hardware that runs the graph.
    pub accelerator: Accelerator,
}
