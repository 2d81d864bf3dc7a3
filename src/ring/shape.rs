//! The two shapes of a ring: records of one type, or frames.

use core::fmt::Debug;

use zerocopy::{FromBytes, Immutable, IntoBytes};

use crate::error::Corrupt;
use crate::layout::{self, SHAPE_FRAMES, SHAPE_SLOTS};

/// A type whose values may pass from one process to another: any bytes make a value
/// ([`FromBytes`]), a value has no padding that could leak ([`IntoBytes`]) and nothing inside that
/// changes behind a shared reference ([`Immutable`]).
///
/// You need not implement it: derive the three traits of `zerocopy` (a
/// dependency of your own, with its feature `derive`), and `Copy`, and the type is
/// a record. Its layout must be fixed, so `repr(C)`, and where the compiler would
/// pad it, a field does. `bool`, `char` and enums cannot be fields, since not all
/// bytes make one: write a number, and convert. A record has at least one byte,
/// and is aligned to 4096 bytes at most, or a ring of it does not compile.
///
/// A call that takes or returns a record by value, such as `push`, `pop` and `read`, puts it
/// on the stack, without optimisation several times. A record that is too large for that
/// stays in place with `claim` and `peek`, or on your heap with `push_slice` and
/// `pop_slice`: none of these has a record on the stack.
///
/// ```
/// use zerocopy::{FromBytes, Immutable, IntoBytes};
///
/// #[derive(Clone, Copy, FromBytes, IntoBytes, Immutable)]
/// #[repr(C)]
/// struct Tick {
///     price: u64,
///     size: u32,
///     is_buy: u8, // 0 or 1
///     _pad: [u8; 3], // up to 16 bytes, a multiple of the alignment
/// }
/// # fn record<T: quoit::Record>() {}
/// # record::<Tick>();
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a record of a ring",
    note = "a record is `Copy`, and derives `FromBytes`, `IntoBytes` and `Immutable` of zerocopy",
    note = "with `#[repr(C)]`, and fields such as `_pad: [u8; 3]` where it would have padding",
    note = "`bool`, `char` and enums are not records: use u8 (u32 for a char), and convert"
)]
pub trait Record: FromBytes + IntoBytes + Immutable + Copy + Send + 'static {}

impl<T: FromBytes + IntoBytes + Immutable + Copy + Send + 'static> Record for T {}

/// A shape's fields in the header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Description {
    pub(crate) shape: u32,
    pub(crate) slot_size: u64,
    pub(crate) slot_align: u32,
}

/// What a ring holds, for code that does not know its type.
#[derive(Debug, Clone, Copy)]
pub struct Content {
    pub(crate) description: Description,
    /// The tag of the schema when the caller gives none.
    pub(crate) tag: fn() -> String,
}

impl Content {
    pub(crate) fn of<T: Sealed + ?Sized>() -> Self {
        Self {
            description: T::DESCRIPTION,
            tag: T::tag,
        }
    }
}

mod sealed {
    use super::Description;

    pub trait Sealed {
        #[doc(hidden)]
        const DESCRIPTION: Description;

        /// The tag of the schema when the caller gives none.
        #[doc(hidden)]
        fn tag() -> String;
    }
}
pub(crate) use sealed::Sealed;

impl<T: Record> Sealed for T {
    const DESCRIPTION: Description = {
        assert!(size_of::<T>() > 0, "a record has at least one byte");
        assert!(
            align_of::<T>() <= 4096,
            "a record is aligned to a page at most"
        );
        Description {
            shape: SHAPE_SLOTS,
            slot_size: size_of::<T>() as u64,
            slot_align: align_of::<T>() as u32,
        }
    };

    fn tag() -> String {
        short_name(core::any::type_name::<T>())
    }
}

impl Sealed for [u8] {
    const DESCRIPTION: Description = Description {
        shape: SHAPE_FRAMES,
        slot_size: 1,
        slot_align: 8,
    };

    fn tag() -> String {
        "frames".to_owned()
    }
}

impl Description {
    /// The fingerprint with this tag.
    pub(crate) fn schema(&self, tag: &str) -> u64 {
        layout::schema(self.slot_size, u64::from(self.slot_align), tag)
    }

    /// Whether a message can begin where this role was taken up: frames are
    /// aligned to words.
    pub(crate) fn check_position(&self, field: &'static str, found: u64) -> Result<(), Corrupt> {
        if self.shape == SHAPE_FRAMES && found & 7 != 0 {
            return Err(Corrupt { field, found });
        }
        Ok(())
    }
}

/// A type's name without its paths: modules move, and two programs may each
/// compile the same file.
fn short_name(name: &str) -> String {
    let mut short = String::new();
    let mut segment = String::new();
    let mut letters = name.chars().peekable();
    while let Some(letter) = letters.next() {
        if letter == ':' && letters.peek() == Some(&':') {
            letters.next();
            segment.clear();
        } else if letter.is_alphanumeric() || letter == '_' {
            segment.push(letter);
        } else {
            short.push_str(&segment);
            segment.clear();
            short.push(letter);
        }
    }
    short + &segment
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_has_no_paths() {
        assert_eq!(short_name("u64"), "u64");
        assert_eq!(short_name("market::feed::Tick"), "Tick");
        assert_eq!(short_name("[market::Tick; 4]"), "[Tick; 4]");
        assert_eq!(
            short_name("a::Pair<b::Left, [c::Right; 2]>"),
            "Pair<Left, [Right; 2]>"
        );
        assert_eq!(<[f32; 2]>::tag(), "[f32; 2]");
    }

    #[test]
    fn a_u64_is_not_two_floats() {
        let schema = |description: Description, tag: String| description.schema(&tag);
        assert_ne!(
            schema(u64::DESCRIPTION, u64::tag()),
            schema(<[f32; 2]>::DESCRIPTION, <[f32; 2]>::tag())
        );
    }
}
