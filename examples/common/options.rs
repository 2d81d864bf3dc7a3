//! The command line that both endpoints have in common.

/// Which ring, and how far.
#[derive(Debug, clap::Args)]
pub(crate) struct RingArguments {
    /// The ring's name in /dev/shm, or a path with a '/'
    #[arg(long, default_value = "quoit-example")]
    pub(crate) name: String,

    /// Messages that the ring has room for: a power of two, the same at both endpoints
    #[arg(long, value_name = "MESSAGES", default_value_t = 4096)]
    pub(crate) capacity: u64,

    /// End when the ring has seen so many messages, before a restart or after
    /// [default: go on until Ctrl-C]
    #[arg(long, verbatim_doc_comment, value_name = "MESSAGES", default_value_t = u64::MAX,
          hide_default_value = true)]
    pub(crate) count: u64,
}
