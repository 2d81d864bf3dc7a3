//! The sources of the library, parsed.

use std::collections::BTreeSet;

use proc_macro2::{Delimiter, Group, Span, TokenStream, TokenTree};
use syn::spanned::Spanned;
use syn::{File, Item};

use super::pages::read;
use super::words::paths;

/// A file of `src`, without its tests.
pub(crate) struct Source {
    /// Below `src`, as in `ring/role.rs`.
    pub(crate) path: String,
    pub(crate) text: String,
    pub(crate) file: File,
    /// The tokens of the code, with their line numbers.
    pub(crate) tokens: Vec<(String, usize)>,
    /// The lines that have code.
    pub(crate) code: BTreeSet<usize>,
}

/// Every file of the library and the tool, in the order of the paths.
pub(crate) fn sources() -> Vec<Source> {
    let paths = paths().into_iter();
    let paths = paths.filter(|path| path.starts_with("src/") && path.ends_with(".rs"));
    let sources = paths.map(|path| Source::parse(&path[4..], &read(&path)));
    let sources: Vec<_> = sources.collect();
    assert!(sources.len() > 10, "the sources were not found");
    sources
}

/// Without the tool.
pub(crate) fn library() -> Vec<Source> {
    let mut sources = sources();
    sources.retain(|source| !source.path.starts_with("bin/"));
    sources
}

impl Source {
    pub(crate) fn parse(path: &str, text: &str) -> Self {
        let stream: TokenStream = text.parse().expect("the file is Rust");
        let mut file: File = syn::parse2(stream.clone()).expect("the file is Rust");
        let (tests, items): (Vec<_>, Vec<_>) = file.items.into_iter().partition(is_for_tests);
        file.items = items.into_iter().flat_map(without_macros).collect();
        let tests = tests.iter().map(|test| test.span());
        let tests: Vec<_> = tests
            .map(|span| span.start().line..=span.end().line)
            .collect();
        let mut tokens = flat(stream);
        tokens.retain(|(_, span)| !tests.iter().any(|test| test.contains(&span.start().line)));
        let lines = tokens
            .iter()
            .map(|(_, span)| span.start().line..=span.end().line);
        Self {
            path: path.to_owned(),
            text: text.to_owned(),
            code: lines.flatten().collect(),
            tokens: tokens
                .into_iter()
                .map(|(token, span)| (token, span.start().line))
                .collect(),
            file,
        }
    }

    /// Where this line is, for a message.
    pub(crate) fn place(&self, line: usize) -> String {
        format!("src/{}:{line}", self.path)
    }

    /// The places of these pieces of code, with any spaces between their tokens.
    pub(crate) fn places_of(&self, pieces: &str) -> Vec<String> {
        let mut places = Vec::new();
        for piece in pieces.split(' ') {
            let piece = flat(piece.parse().expect("a piece is made of tokens"));
            let piece = piece.iter().map(|(token, _)| token);
            for window in self.tokens.windows(piece.len()) {
                let window_is_it = window.iter().map(|(token, _)| token).eq(piece.clone());
                places.extend(window_is_it.then(|| self.place(window[0].1)));
            }
        }
        places
    }
}

/// Fails with the list of faults, if there are any.
#[track_caller]
pub(crate) fn expect_none(faults: &[String]) {
    let count = faults.len();
    assert!(faults.is_empty(), "{count} faults:\n{}", faults.join("\n"));
}

fn is_for_tests(item: &Item) -> bool {
    let Item::Mod(module) = item else {
        return false;
    };
    let is_test = |word: syn::Ident| word == "test";
    module.attrs.iter().any(|attribute| {
        attribute.path().is_ident("cfg") && attribute.parse_args().is_ok_and(is_test)
    })
}

/// The items that a `macro_rules` generates, if it generates items; any other item itself.
fn without_macros(item: Item) -> Vec<Item> {
    let Item::Macro(makro) = &item else {
        return vec![item];
    };
    let mut items = Vec::new();
    let mut is_a_body = false;
    for tree in makro.mac.tokens.clone() {
        if let (TokenTree::Group(body), true) = (&tree, is_a_body) {
            match syn::parse2::<File>(without_dollars(body.stream())) {
                Ok(file) => items.extend(file.items),
                Err(_) => return vec![item],
            }
        }
        is_a_body = tree.to_string() == ">";
    }
    if items.is_empty() { vec![item] } else { items }
}

/// The body of a macro with each repetition once, and each variable as a name.
fn without_dollars(stream: TokenStream) -> TokenStream {
    let mut trees = stream.into_iter();
    let mut plain = TokenStream::new();
    while let Some(tree) = trees.next() {
        let is_a_dollar = tree.to_string() == "$";
        match if is_a_dollar {
            trees.next()
        } else {
            Some(tree)
        } {
            Some(TokenTree::Group(group)) if is_a_dollar => {
                plain.extend(without_dollars(group.stream()));
                // Up to the `*`, with the separator.
                trees.find(|tree| ["*", "+", "?"].contains(&tree.to_string().as_str()));
            }
            Some(TokenTree::Group(group)) => {
                let mut inner = Group::new(group.delimiter(), without_dollars(group.stream()));
                inner.set_span(group.span());
                plain.extend([TokenTree::Group(inner)]);
            }
            tree => plain.extend(tree),
        }
    }
    plain
}

/// The tokens as a flat list, without doc comments; a bracket is a token.
pub(crate) fn flat(stream: TokenStream) -> Vec<(String, Span)> {
    let mut tokens = Vec::<(String, Span)>::new();
    for tree in stream {
        let TokenTree::Group(group) = tree else {
            tokens.push((tree.to_string(), tree.span()));
            continue;
        };
        // A doc comment is an attribute of several tokens, all at the comment's position.
        let start = group.span_open().start();
        let first = group.stream().into_iter().next();
        if first.is_some_and(|first| first.span().start() == start) {
            while tokens.last().is_some_and(|(_, span)| span.start() == start) {
                tokens.pop();
            }
            continue;
        }
        let (open, close) = match group.delimiter() {
            Delimiter::Parenthesis => ("(", ")"),
            Delimiter::Brace => ("{", "}"),
            Delimiter::Bracket => ("[", "]"),
            Delimiter::None => ("", ""),
        };
        tokens.push((open.to_owned(), group.span_open()));
        tokens.extend(flat(group.stream()));
        tokens.push((close.to_owned(), group.span_close()));
    }
    tokens
}
