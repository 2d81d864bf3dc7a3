//! No safe code holds a reference into memory that another process can write.

use std::mem::replace;

use proc_macro2::Span;
use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::*;

use super::sources::{Source, expect_none, flat, library};

/// Types that consist of atomics, or that are in private memory.
const MAY_BE_REFERRED_TO: &str = "Header AtomicU32 AtomicU64 RoleState Link cmsghdr";

/// Methods and functions that make a reference from a raw pointer. Other types have safe
/// methods with the same names.
const METHODS: &str =
    "as_ref as_mut as_uninit_ref as_uninit_mut as_uninit_slice as_uninit_slice_mut";
const FUNCTIONS: &str = "from_raw_parts from_raw_parts_mut from_ptr from_ptr_range \
                         from_mut_ptr_range transmute transmute_copy";

/// The traits that return a reference without `unsafe`, and the views of payload that must
/// not implement them.
const TRAITS: &str = "Deref DerefMut AsRef AsMut Borrow BorrowMut Index IndexMut";
const VIEWS: &str =
    "Frame FrameClaim Frames FrameView FrameBatch BatchFrame Peek PeekMany Claim ClaimMany";

/// The position of the reader.
#[derive(Default)]
struct Here {
    in_an_unsafe_fn: bool,
    in_an_unsafe_block: bool,
    /// The return type of the function, and the declared type of the current expression:
    /// the same, or the type of a `let`.
    returned: Option<Type>,
    declared: Option<Type>,
}

struct Reader<'a> {
    source: &'a Source,
    here: Here,
    faults: Vec<String>,
}

fn faults_of(source: &Source) -> Vec<String> {
    let (here, faults) = (Here::default(), Vec::new());
    let mut reader = Reader {
        source,
        here,
        faults,
    };
    reader.visit_file(&source.file);
    reader.faults
}

/// For each reference in a type, whether its target is allowed.
#[derive(Default)]
struct References(Vec<bool>);

impl Visit<'_> for References {
    fn visit_type_reference(&mut self, reference: &TypeReference) {
        let mut referent = &*reference.elem;
        while let Type::Slice(TypeSlice { elem, .. }) | Type::Array(TypeArray { elem, .. }) =
            referent
        {
            referent = elem;
        }
        let may_be = matches!(referent, Type::Path(ty) if is(&ty.path, MAY_BE_REFERRED_TO));
        self.0.push(may_be && reference.mutability.is_none());
        visit::visit_type_reference(self, reference);
    }
}

fn is(path: &Path, names: &str) -> bool {
    let last = path.segments.last();
    last.is_some_and(|last| names.split(' ').any(|name| last.ident == name))
}

/// Whether a place is reached through a pointer, as `(*p).x[1]` is.
fn follows_a_pointer(place: &Expr) -> bool {
    match place {
        Expr::Unary(ExprUnary {
            op: UnOp::Deref(_), ..
        }) => true,
        Expr::Field(ExprField { base: inner, .. })
        | Expr::Index(ExprIndex { expr: inner, .. })
        | Expr::Paren(ExprParen { expr: inner, .. }) => follows_a_pointer(inner),
        _ => false,
    }
}

impl Reader<'_> {
    /// Checks that a reference made here is to atomics.
    fn made(&mut self, how: &str, span: Span) {
        let mut references = References::default();
        if let Some(ty) = &self.here.declared {
            references.visit_type(ty);
        }
        let is_allowed = !references.0.is_empty() && !references.0.contains(&false);
        if !self.here.in_an_unsafe_fn && !is_allowed {
            let place = self.source.place(span.start().line);
            self.faults.push(format!("{place}: {how}"));
        }
    }

    fn function(&mut self, signature: &Signature, block: &Block) {
        let returned = match &signature.output {
            ReturnType::Type(_, ty) => Some((**ty).clone()),
            ReturnType::Default => None,
        };
        let here = Here {
            in_an_unsafe_fn: signature.unsafety.is_some(),
            in_an_unsafe_block: false,
            declared: returned.clone(),
            returned,
        };
        let outer = replace(&mut self.here, here);
        self.visit_block(block);
        self.here = outer;
    }

    /// Visits code with this declared type.
    fn with(&mut self, declared: Option<Type>, visit: impl FnOnce(&mut Self)) {
        let outer = replace(&mut self.here.declared, declared);
        visit(self);
        self.here.declared = outer;
    }
}

impl<'ast> Visit<'ast> for Reader<'_> {
    fn visit_item_fn(&mut self, function: &'ast ItemFn) {
        self.function(&function.sig, &function.block);
    }

    fn visit_impl_item_fn(&mut self, function: &'ast ImplItemFn) {
        self.function(&function.sig, &function.block);
    }

    fn visit_trait_item_fn(&mut self, function: &'ast TraitItemFn) {
        if let Some(block) = &function.default {
            self.function(&function.sig, block);
        }
    }

    fn visit_item_impl(&mut self, item: &'ast ItemImpl) {
        if let (Some((_, path, _)), Type::Path(ty)) = (&item.trait_, &*item.self_ty) {
            if is(path, TRAITS) && is(&ty.path, VIEWS) {
                let place = self.source.place(path.span().start().line);
                self.faults.push(format!("{place}: impl"));
            }
        }
        visit::visit_item_impl(self, item);
    }

    /// The value of a block is that of its last expression only.
    fn visit_block(&mut self, block: &'ast Block) {
        for (index, statement) in block.stmts.iter().enumerate() {
            let is_the_value =
                index + 1 == block.stmts.len() && matches!(statement, Stmt::Expr(_, None));
            let declared = self.here.declared.clone().filter(|_| is_the_value);
            self.with(declared, |reader| reader.visit_stmt(statement));
        }
    }

    fn visit_local(&mut self, local: &'ast Local) {
        let declared = match &local.pat {
            Pat::Type(pattern) => Some((*pattern.ty).clone()),
            _ => None,
        };
        self.with(declared, |reader| visit::visit_local(reader, local));
    }

    fn visit_expr_return(&mut self, expression: &'ast ExprReturn) {
        let declared = self.here.returned.clone();
        self.with(declared, |reader| {
            visit::visit_expr_return(reader, expression)
        });
    }

    fn visit_expr_unsafe(&mut self, expression: &'ast ExprUnsafe) {
        let outer = replace(&mut self.here.in_an_unsafe_block, true);
        self.visit_block(&expression.block);
        self.here.in_an_unsafe_block = outer;
    }

    fn visit_expr_path(&mut self, expression: &'ast ExprPath) {
        let path = &expression.path;
        if is(path, FUNCTIONS) || self.here.in_an_unsafe_block && is(path, METHODS) {
            self.made("a function that makes a reference", path.span());
        }
        visit::visit_expr_path(self, expression);
    }

    fn visit_expr_method_call(&mut self, call: &'ast ExprMethodCall) {
        let name = call.method.to_string();
        let is_made =
            METHODS.split(' ').any(|method| method == name) || follows_a_pointer(&call.receiver);
        if self.here.in_an_unsafe_block && is_made {
            self.made(&format!(".{name}()"), call.method.span());
        }
        visit::visit_expr_method_call(self, call);
    }

    fn visit_expr_reference(&mut self, expression: &'ast ExprReference) {
        if self.here.in_an_unsafe_block && follows_a_pointer(&expression.expr) {
            self.made("&*", expression.span());
        }
        visit::visit_expr_reference(self, expression);
    }

    fn visit_pat_ident(&mut self, pattern: &'ast PatIdent) {
        if self.here.in_an_unsafe_block && pattern.by_ref.is_some() {
            self.made("ref", pattern.span());
        }
        visit::visit_pat_ident(self, pattern);
    }

    /// The arguments are checked if they are expressions; otherwise they must not contain `unsafe`.
    fn visit_macro(&mut self, makro: &'ast Macro) {
        let parse = Punctuated::<Expr, Token![,]>::parse_terminated;
        let tokens = flat(makro.tokens.clone());
        if let Ok(arguments) = makro.parse_body_with(parse) {
            self.with(None, |reader| {
                arguments
                    .iter()
                    .for_each(|argument| reader.visit_expr(argument));
            });
        } else if tokens.iter().any(|(token, _)| token == "unsafe") {
            self.made("unsafe in a macro that is not checked", makro.span());
        }
    }
}

#[test]
fn no_safe_code_holds_a_reference_into_memory_that_another_process_can_write() {
    let faults: Vec<_> = library().iter().flat_map(faults_of).collect();
    expect_none(&faults);
}

#[test]
fn each_form_of_a_forbidden_reference_is_found() {
    for code in [
        "fn f(&self) -> &[u8] { unsafe { core::slice::from_raw_parts(self.at, 2) } }",
        "fn f(&self) -> &[u8] { self.at.map(slice::from_raw_parts) }",
        "fn f(&self) -> &T { unsafe { self.at.as_ref() } }",
        "fn f(&self) -> &T { unsafe { NonNull::as_ref(&self.at) } }",
        "fn f(&mut self) -> &mut T { unsafe { &mut *self.at } }",
        "fn f(&self) -> &u8 { unsafe { &(*self.at).x[1] } }",
        "fn f(&self) -> usize { unsafe { (*self.at).bytes.len() } }",
        "fn f(&self) -> u8 { unsafe { let ref x = *self.at; *x } }",
        "fn f(&self) { assert_eq!(1, unsafe { *self.at.as_ref() }) }",
        "fn f(&self) { odd!(a => unsafe { self.at.as_ref() }) }",
        // The declared type must be that of this reference.
        "fn f(&self) -> &Header { let x = unsafe { self.at.as_ref() }; x.header() }",
        "fn f(&self) -> &Header { look(unsafe { &*self.at }); self.header }",
        "fn f(&self) -> &Header { let x: &[u8] = unsafe { &*self.at }; self.header }",
        "fn f(&self) -> (&Header, &[u8]) { unsafe { self.at.as_ref() } }",
        "fn f(&self) -> &mut Header { unsafe { self.at.as_mut() } }",
        "unsafe fn f() { fn g(p: *const T) -> &T { unsafe { &*p } } }",
        "impl<'a> core::ops::Deref for Frame<'a> { type Target = [u8]; }",
    ] {
        let faults = faults_of(&Source::parse("a.rs", code));
        assert_eq!(faults.len(), 1, "{code}: {faults:?}");
    }
    for code in [
        "fn f<'a>(&self) -> Option<&'a Link> { unsafe { self.at.as_ref() } }",
        "fn f(&self) -> &[AtomicU64] { unsafe { slice::from_raw_parts(self.at, 2) } }",
        "fn f(&self) -> u32 { let word: &AtomicU32 = unsafe { &*self.at }; word.load() }",
        "fn f(&self) -> &RoleState { if b { return unsafe { &*self.at }; } self.state }",
        "unsafe fn f(&self) -> &[u8] { unsafe { slice::from_raw_parts(self.at, 2) } }",
        "fn f(&self) -> *const T { unsafe { &raw const (*self.at).x } }",
        "fn f(&self) -> Option<&T> { self.name.as_ref() }",
        "impl Deref for Name { type Target = str; }",
        "impl Drop for Frame<'_> {}",
    ] {
        assert_eq!(faults_of(&Source::parse("a.rs", code)), [""; 0], "{code}");
    }
}
