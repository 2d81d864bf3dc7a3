//! AArch64, by the model in ARM's manual: `aarch64.cat` by Will Deacon, explained by Pulte,
//! Flur, Deacon, French, Sarkar and Sewell ("Simplifying ARM concurrency", POPL 2018), in
//! the style of Alglave, Maranget and Tautschnig ("Herding cats", TOPLAS 2014).
//!
//! ```text
//! acyclic po-loc | rf | co | fr                             (internal)
//! empty rmw & (fre; coe)                                    (atomic)
//! acyclic obs | aob | bob                                   (external)
//! obs = rfe | coe | fre
//! aob = rmw | [range(rmw)]; lrs; [A | Q]
//! bob = po; [dmb.full]; po | [L]; po; [A] | [R]; po; [dmb.ld]; po
//!     | [A | Q]; po | po; [L] | po; [A]; rmw; [L]; po
//! ```
//!
//! The first two axioms are coherence; every candidate execution satisfies them. Orders by
//! dependencies (`dob`) are left out, and so is `dmb.st`, which Rust never emits. So this
//! model allows everything that a processor allows, and more. `po; [A]; rmw; [L]; po`
//! applies to one instruction (`casal`). A pair of `ldaxr` and `stlxr` orders less, so it
//! is left out.
//!
//! How Rust compiles: an acquire load is `ldar` (A), or `ldapr` (Q) with the feature
//! `rcpc`. A `SeqCst` load is always `ldar`, a release store `stlr` (L), an acquire fence
//! `dmb ishld`, any other fence `dmb ish`.
//!
//! The kernel's `membarrier` is a full fence at its beginning and at its end. Between them
//! each processor that runs a registered process executes a full fence in an interrupt.

use std::sync::atomic::Ordering::{AcqRel, Acquire as Acq, Release, SeqCst};

use crate::axioms::execution::Execution;
use crate::axioms::relation::Relation;
use crate::axioms::trace::Kind;

/// What an acquire load compiles to.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Acquire {
    Ldar,
    Ldapr,
}

pub(super) fn allows(execution: &Execution, acquire: Acquire) -> bool {
    let (po, rmw) = (&execution.po, &execution.rmw);
    let reads = execution.reads();
    let external = |relation: Relation| relation.without(&execution.internal);
    let obs = external(execution.rf | execution.co | execution.fr);

    let is_read = |kind| kind == Kind::Read;
    let acquires = execution
        .set(|event| is_read(event.kind) && matches!(event.order, Some(Acq | AcqRel | SeqCst)));
    let strong = execution.set(|event| is_read(event.kind) && event.order == Some(SeqCst));
    let a = match acquire {
        Acquire::Ldar => acquires,
        // The acquire of a read-modify-write is equally strong in both.
        Acquire::Ldapr => strong | acquires & rmw.domain(),
    };
    let l = execution
        .set(|event| event.writes() && matches!(event.order, Some(Release | AcqRel | SeqCst)));
    let full = execution.fences(&[Release, AcqRel, SeqCst]);
    let ld = execution.fences(&[Acq]);

    let through = |fences| po.to(fences).then(po);
    let lrs = po.and(&execution.loc).and(&execution.rf);
    let range = execution.set(|event| event.kind == Kind::Modify);
    let aob = *rmw | lrs.from(range).to(acquires);
    let bob =
        through(full) | through(ld).from(reads) | po.from(l).to(a) | po.from(acquires) | po.to(l);

    // Every event ahead of the call precedes every event behind the interrupt, and so on.
    let interrupts = po
        .optional()
        .then(&execution.interrupts)
        .then(&po.optional());
    (obs | aob | bob | interrupts).is_acyclic()
}
