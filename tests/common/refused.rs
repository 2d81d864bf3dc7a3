//! Errors that a test expects.

use std::fmt::Debug;
use std::process;

use quoit::{Error, Holder, Role};

/// Requires an error of this form, and binds the names of the pattern.
macro_rules! refused {
    ($refusal:ident => $pattern:pat) => {
        let Some($pattern) = $refusal else {
            panic!("the wrong error: {:?}", $refusal);
        };
    };
    ($refusal:ident is $pattern:pat) => {
        let $pattern = $refusal else {
            panic!("the wrong error: {:?}", $refusal);
        };
    };
}
pub(crate) use refused;

/// Requires a value of this form.
macro_rules! is {
    ($value:expr => $pattern:pat $(if $condition:expr)?) => {
        let value = &$value;
        assert!(matches!(value, $pattern $(if $condition)?), "{value:?}");
    };
}
pub(crate) use is;

/// Requires that this process holds the role.
pub(crate) fn in_use<R: Debug>(result: Result<R, Error>, expected: Role) {
    match result {
        Err(Error::InUse { role, holder }) => {
            assert_eq!((role, holder), (expected, Holder::Known(process::id())));
        }
        other => panic!("it is not in use: {other:?}"),
    }
}

/// Requires that the ring has lost this name.
pub(crate) fn superseded<R: Debug>(name: &str, result: Result<R, Error>) {
    match result {
        Err(Error::Superseded { name: shown }) => assert_eq!(shown, name),
        other => panic!("{name} is not superseded: {other:?}"),
    }
}
