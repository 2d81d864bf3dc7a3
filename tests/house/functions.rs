//! The functions that the sources declare, with their documentation.

use syn::{Attribute, Expr, ExprLit, Ident, ImplItem, Item, ItemMod, Lit, ReturnType, Signature};
use syn::{Type, Visibility};

use super::sources::Source;

/// A function and its declaration.
pub(crate) struct Function {
    pub(crate) file: String,
    /// The type that it belongs to, if its file says so: a macro does not.
    pub(crate) of: Option<String>,
    pub(crate) name: String,
    pub(crate) signature: Signature,
    /// Part of the API, and not `#[doc(hidden)]`.
    pub(crate) is_public: bool,
    pub(crate) doc: String,
    pub(crate) place: String,
}

impl Function {
    /// Whether it takes `&mut self`, or `mut self`.
    pub(crate) fn changes_self(&self, by_reference: bool) -> bool {
        self.signature.receiver().is_some_and(|receiver| {
            receiver.mutability.is_some() && receiver.reference.is_some() == by_reference
        })
    }

    /// Whether it returns a type with this name.
    pub(crate) fn returns(&self, name: &str) -> bool {
        let ReturnType::Type(_, ty) = &self.signature.output else {
            return false;
        };
        last_name(ty).is_some_and(|last| last == name)
    }

    /// Whether it has one of these names.
    pub(crate) fn is_one_of(&self, names: &str) -> bool {
        names.split_whitespace().any(|name| name == self.name)
    }

    /// The text of a section of its documentation.
    pub(crate) fn section(&self, title: &str) -> String {
        let lines = self.doc.lines().map(str::trim);
        let mut after = lines.skip_while(|line| *line != format!("# {title}"));
        after.next();
        let text: Vec<_> = after.take_while(|line| !line.starts_with("# ")).collect();
        text.join(" ").trim().to_owned()
    }
}

/// The last name of a path.
pub(crate) fn last_name(ty: &Type) -> Option<&Ident> {
    let Type::Path(ty) = ty else { return None };
    Some(&ty.path.segments.last()?.ident)
}

/// All items of a file, also those of the modules in it.
pub(crate) fn items(source: &Source) -> Vec<&Item> {
    fn with_inner(item: &Item) -> Vec<&Item> {
        match item {
            Item::Mod(ItemMod {
                content: Some((_, items)),
                ..
            }) => items.iter().flat_map(with_inner).collect(),
            _ => vec![item],
        }
    }
    source.file.items.iter().flat_map(with_inner).collect()
}

/// The functions of a file.
pub(crate) fn functions_of(source: &Source) -> Vec<Function> {
    let mut functions = Vec::new();
    let mut add = |of: Option<&Ident>, vis: &Visibility, attrs: &[Attribute], sig: &Signature| {
        let doc: Vec<_> = attrs.iter().filter_map(doc).collect();
        functions.push(Function {
            file: source.path.clone(),
            of: of.map(Ident::to_string),
            name: sig.ident.to_string(),
            signature: sig.clone(),
            is_public: matches!(vis, Visibility::Public(_)) && !attrs.iter().any(hides),
            doc: doc.join("\n"),
            place: source.place(sig.ident.span().start().line),
        });
    };
    for item in items(source) {
        match item {
            Item::Fn(function) => add(None, &function.vis, &function.attrs, &function.sig),
            Item::Impl(block) => {
                for item in &block.items {
                    if let ImplItem::Fn(function) = item {
                        let of = last_name(&block.self_ty);
                        add(of, &function.vis, &function.attrs, &function.sig);
                    }
                }
            }
            _ => {}
        }
    }
    functions
}

/// Whether the attribute is `#[doc(hidden)]`: then its item is no part of the API.
fn hides(attribute: &Attribute) -> bool {
    let list = attribute.meta.require_list().ok();
    list.is_some_and(|list| list.path.is_ident("doc") && list.tokens.to_string() == "hidden")
}

/// The text of a doc comment.
fn doc(attribute: &Attribute) -> Option<String> {
    match &attribute.meta.require_name_value().ok()?.value {
        Expr::Lit(ExprLit {
            lit: Lit::Str(text),
            ..
        }) => Some(text.value()),
        _ => None,
    }
}
