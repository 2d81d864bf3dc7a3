//! Parts of `docs::tool` that the help has, too.

const PAGE: &str = include_str!("../../docs/tool.md");

/// The block of that page with this title.
pub(crate) fn block(title: &str) -> &'static str {
    let mut blocks = PAGE.split("```text\n");
    let block = blocks.find(|block| block.starts_with(title));
    let block = block.and_then(|block| block.split("\n```").next());
    block.expect("docs::tool has it")
}
