//! C11, which is Rust's memory model: RC11 by Lahav, Vafeiadis, Kang, Hur and Dreyer
//! ("Repairing sequential consistency in C/C++11", PLDI 2017), without its axiom that
//! `sb | rf` is acyclic. That axiom forbids load buffering, which C11 and Rust allow and
//! loom does not explore.
//!
//! ```text
//! rs  = [W]; (rf; rmw)*
//! sw  = [release]; ([F]; sb)?; rs; rf; (sb; [F])?; [acquire]
//! hb  = (sb | sw)+
//! irreflexive hb; eco?                where eco = (rf | mo | rb)+
//! empty rmw & (rb; mo)
//! acyclic psc, of SeqCst accesses and fences
//! ```
//!
//! The release sequence is that of C++20, without later stores of the same thread, so it
//! orders less. Out-of-thin-air values are impossible: a load gets only values that a trace
//! of some thread stores.
//!
//! The kernel's `membarrier` and the interrupts that it sends are sequentially consistent
//! fences that synchronize. Payload is ordinary memory: a race on it is undefined
//! behaviour.

use std::sync::atomic::Ordering::{AcqRel, Acquire, Release, SeqCst};

use crate::axioms::execution::Execution;
use crate::axioms::relation::Relation;
use crate::axioms::trace::Kind;

/// `hb`.
fn happens_before(execution: &Execution) -> Relation {
    let sb = &execution.po;
    let releases = execution
        .set(|event| event.writes() && matches!(event.order, Some(Release | AcqRel | SeqCst)));
    let acquires = execution.set(|event| {
        event.kind == Kind::Read && matches!(event.order, Some(Acquire | AcqRel | SeqCst))
    });
    let release_fences = execution.fences(&[Release, AcqRel, SeqCst]);
    let acquire_fences = execution.fences(&[Acquire, AcqRel, SeqCst]);
    let atomic = execution.set(|event| event.order.is_some());
    let writes = execution.writes() & atomic;
    let reads = execution.reads() & atomic;

    let chain = execution.rf.then(&execution.rmw).plus().optional();
    let begins = Relation::new(execution.events.len())
        .optional()
        .to(releases)
        | sb.from(release_fences).to(writes);
    let ends = Relation::new(execution.events.len())
        .optional()
        .to(acquires)
        | sb.from(reads).to(acquire_fences);
    let sw = begins
        .then(&chain)
        .then(&execution.rf.from(writes).to(reads))
        .then(&ends);
    let mut first = Relation::new(execution.events.len());
    let threads = !execution.initial;
    for write in 0..execution.initial.count_ones() as usize {
        (0..execution.events.len())
            .filter(|&event| threads >> event & 1 == 1)
            .for_each(|event| first.insert(write, event));
    }
    (*sb | sw | first | execution.interrupts).plus()
}

pub(super) fn allows(execution: &Execution) -> bool {
    let hb = happens_before(execution);
    let eco = (execution.rf | execution.co | execution.fr).plus();
    hb.is_irreflexive() && hb.then(&eco).is_irreflexive() && psc(execution, &hb, &eco).is_acyclic()
}

/// The order of the sequentially consistent accesses and fences.
fn psc(execution: &Execution, hb: &Relation, eco: &Relation) -> Relation {
    let nothing = Relation::new(execution.events.len());
    let accesses = execution
        .set(|event| (event.kind == Kind::Read || event.writes()) && event.order == Some(SeqCst));
    let fences = execution.fences(&[SeqCst]);
    if accesses == 0 && fences == 0 {
        return nothing;
    }
    let sb_elsewhere = execution.po.without(&execution.loc);
    let scb = execution.po
        | sb_elsewhere.then(hb).then(&sb_elsewhere)
        | hb.and(&execution.loc)
        | execution.co
        | execution.fr;
    let own = nothing.optional().from(accesses);
    let begins = own | hb.optional().from(fences);
    let ends = own | hb.optional().to(fences);
    let base = begins.then(&scb).then(&ends);
    let between = *hb | hb.then(eco).then(hb);
    base | between.from(fences).to(fences)
}

/// Whether two threads access ordinary memory, at least one writes, and neither happens before the other.
pub(super) fn races(execution: &Execution) -> bool {
    let ordinary = execution.set(|event| event.order.is_none());
    let writes = execution.writes();
    let conflicts = execution
        .loc
        .without(&execution.internal)
        .from(ordinary & !execution.initial);
    let accesses = !execution.initial;
    let with_write = (conflicts.from(writes) | conflicts.to(writes)).to(accesses);
    if with_write.is_empty() {
        return false;
    }
    let hb = happens_before(execution);
    !with_write.without(&(hb | hb.inverse())).is_empty()
}
