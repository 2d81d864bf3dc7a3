//! The public functions that the sources declare, with their documentation.

use super::text::{Source, hits, regex};

/// Comments and attributes, words, a name, and what follows up to the body.
const FUNCTION: &str = r"(?m)((?:^ *///.*\n|^ *#\[[^{;]*?\]\n)*)^ *(pub (?:const |async |unsafe )*fn (\w+))((?:\[[^\]]*\]|[^\[{;])*)";

/// A public function that is not `#[doc(hidden)]`.
pub(crate) struct Function {
    pub(crate) file: String,
    /// The type that it belongs to, if its file says so: a macro does not.
    pub(crate) of: Option<String>,
    pub(crate) name: String,
    /// As `pub async fn pop`.
    pub(crate) head: String,
    /// As `(&mut self) -> Result<T, PopError>`.
    pub(crate) signature: String,
    pub(crate) doc: String,
    pub(crate) place: String,
}

impl Function {
    pub(crate) fn fault(&self, what: &str) -> String {
        format!("{}: {} lacks {what}", self.place, self.name)
    }

    /// The text of a section of its documentation, or all of it.
    pub(crate) fn section(&self, title: &str) -> String {
        if title.is_empty() {
            return self.doc.clone();
        }
        let mut after = self
            .doc
            .lines()
            .skip_while(|line| *line != format!("# {title}"));
        after.next();
        let text: Vec<_> = after.take_while(|line| !line.starts_with("# ")).collect();
        text.join(" ").trim().to_owned()
    }

    /// Without `self`: `(message: T) -> Result<(), PushError<T>>`.
    pub(crate) fn without_self(&self) -> String {
        let receiver = regex(r"^\((&('\w+ )?)?(mut )?self(, )?");
        receiver.replace(&self.signature, "(").into_owned()
    }
}

/// In one line, without paths, generics and bounds.
fn signature(text: &str) -> String {
    let words: Vec<_> = text.split_whitespace().collect();
    let text = words.join(" ").replace("crate::", "");
    // A macro's bounds are a variable.
    let text = text.split(" where ").next().unwrap_or_default();
    let text = text.split(" $(").next().unwrap_or_default();
    let mut depth = 0;
    let arguments = text.replace("->", "  ").find(|letter| {
        depth += i32::from(letter == '<') - i32::from(letter == '>');
        depth == 0 && letter == '('
    });
    let text = &text[arguments.expect("arguments")..];
    text.replacen("( ", "(", 1).replacen(", )", ")", 1)
}

/// The type of the `impl` that is open at the end of this text.
fn implemented(text: &str) -> Option<String> {
    let start = text.rfind("\nimpl")?;
    let is_open = text[start + 1..].matches("\n}").next().is_none();
    let (mut head, _) = text[start + 5..].split_once('{').filter(|_| is_open)?;
    let generics = regex("<[^<>]*>");
    let mut plain = head.to_owned();
    while generics.is_match(&plain) {
        plain = generics.replace_all(&plain, "").into_owned();
    }
    head = plain.split(" where").next().unwrap_or_default();
    let name = head.rsplit(" for ").next()?.rsplit("::").next()?;
    Some(name.trim().to_owned())
}

/// The functions of a file.
pub(crate) fn functions_of(source: &Source) -> Vec<Function> {
    let mut functions = Vec::new();
    for hit in hits(FUNCTION, &source.text) {
        let place = hit.get(2).expect("its head").start();
        let lines = hit[1]
            .lines()
            .filter_map(|line| line.trim_start().strip_prefix("///"));
        let doc: Vec<_> = lines.map(str::trim).collect();
        if !hit[1].contains("#[doc(hidden)]") {
            functions.push(Function {
                file: source.path.clone(),
                of: implemented(&source.text[..place]),
                name: hit[3].to_owned(),
                head: hit[2].to_owned(),
                signature: signature(&hit[4]),
                doc: doc.join("\n"),
                place: source.place(&source.text, place),
            });
        }
    }
    functions
}
