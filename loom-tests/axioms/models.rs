//! The memory models, each as its authors defined it.

mod aarch64;
mod c11;

use super::execution::Execution;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Model {
    /// AArch64 with `ldar` for an acquire load.
    Aarch64,
    /// AArch64 with `ldapr`, as compilers emit it for the feature `rcpc`.
    Aarch64Rcpc,
    /// C11 and Rust, with load buffering.
    C11,
}

impl Model {
    pub(crate) const ALL: [Self; 3] = [Self::Aarch64, Self::Aarch64Rcpc, Self::C11];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Aarch64 => "AArch64",
            Self::Aarch64Rcpc => "ldapr",
            Self::C11 => "C11",
        }
    }

    /// Whether a coherent execution can happen.
    pub(crate) fn allows(self, execution: &Execution) -> bool {
        match self {
            Self::Aarch64 => aarch64::allows(execution, aarch64::Acquire::Ldar),
            Self::Aarch64Rcpc => aarch64::allows(execution, aarch64::Acquire::Ldapr),
            Self::C11 => c11::allows(execution),
        }
    }

    /// Whether two threads access ordinary memory at once, in an execution that can happen.
    /// For a processor model that is not an error.
    pub(crate) fn races(self, execution: &Execution) -> bool {
        self == Self::C11 && c11::races(execution)
    }
}
