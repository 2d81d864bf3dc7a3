//! No safe code holds a reference into memory that another process can write.
//!
//! Each reference that an `unsafe` block makes of a pointer is to atomics, and its type is declared:
//! by the `let`, or by the function whose value it is. Or the function is unsafe.

use super::text::{Source, expect_none, library, regex};

/// What makes a reference; other types have safe methods with the same names.
const MAKES: &str = r"&(mut )?\*|\(\*|\bref \w|\bas_(ref|mut|uninit_\w+)\b|\bfrom_(raw_parts|ptr|mut_ptr)|\btransmute";

/// A shared reference to types that consist of atomics, or that are in private memory.
const ALLOWED: &str = r"(Option<)?&('\w+ )?\[?(\w+::)*(Header|AtomicU32|AtomicU64|RoleState|Link<\w+>|cmsghdr)(; \d+)?\]?>?";

pub(super) fn faults_of(source: &Source) -> Vec<String> {
    let code = &source.code;
    let (makes, pointer) = (regex(MAKES), regex(r"&raw (const|mut) \(?\*"));
    let is_let = regex(&format!(r"let \w+: {ALLOWED} =\s*$"));
    let returns = regex(&format!(r"-> {ALLOWED}\s*$"));
    let mut faults = Vec::new();
    for start in regex(r"unsafe\s*\{").find_iter(code) {
        let before = &code[..start.start()];
        let (block, after) = split_at_end(&code[start.end()..]);
        if !makes.is_match(&pointer.replace_all(block, "")) {
            continue;
        }
        let (outside, function) = before.rsplit_once("fn ").unwrap_or_default();
        let (signature, body) = function.split_once('{').unwrap_or_default();
        // Its last expression, and no inner block's.
        let is_the_value = after.trim_start().starts_with('}')
            && body.matches('{').count() == body.matches('}').count();
        let is_returned = is_the_value && returns.is_match(signature);
        if !outside.ends_with("unsafe ") && !is_let.is_match(before) && !is_returned {
            let block = block.trim();
            faults.push(format!("{}: {block}", source.place(code, start.start())));
        }
    }
    faults
}

/// A block whose bracket is open, and what follows it.
fn split_at_end(code: &str) -> (&str, &str) {
    let mut depth = 1;
    let end = code.find(|letter| {
        depth += i32::from(letter == '{') - i32::from(letter == '}');
        depth == 0
    });
    let end = end.expect("the block ends");
    (&code[..end], &code[end + 1..])
}

#[test]
fn no_safe_code_holds_a_reference_into_memory_that_another_process_can_write() {
    let sources = library();
    expect_none(&sources.iter().flat_map(faults_of).collect::<Vec<_>>());
}
#[test]
fn each_form_of_a_forbidden_reference_is_found() {
    for code in [
        "fn f(&self) -> &[u8] { unsafe { core::slice::from_raw_parts(self.at, 2) } }",
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
        "fn f(&self) -> &Header { let x = { unsafe { self.at.as_ref() } }; x.header() }",
    ] {
        let faults = faults_of(&Source::new("a.rs", code));
        assert_eq!(faults.len(), 1, "{code}: {faults:?}");
    }
    for code in [
        "fn f<'a>(&self) -> Option<&'a Link<T>> { unsafe { self.at.as_ref() } }",
        "fn f(&self) -> &[AtomicU64] { unsafe { slice::from_raw_parts(self.at, 2) } }",
        "fn f(&self) -> u32 { let word: &AtomicU32 = unsafe { &*self.at }; word.load() }",
        "unsafe fn f(&self) -> &[u8] { unsafe { slice::from_raw_parts(self.at, 2) } }",
        "fn f(&self) -> *const T { unsafe { &raw const (*self.at).x } }",
        "fn f(&self) -> Option<&T> { self.name.as_ref() }",
    ] {
        assert_eq!(faults_of(&Source::new("a.rs", code)), [""; 0], "{code}");
    }
}
