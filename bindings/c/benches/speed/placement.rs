//! Which processors there are, and which of them share a core.

// Of the benches of the library.
#[allow(dead_code, reason = "they choose one pair of processors, and not each")]
#[path = "../../../../benches/common/placement.rs"]
mod processors;

use processors::core;

/// Two processors, and what they are to each other.
#[derive(Clone, Copy)]
pub(crate) struct Pair {
    pub(crate) what: &'static str,
    pub(crate) lead: usize,
    pub(crate) partner: usize,
}

/// Two of one core, and two of different cores, as far as there are such.
pub(crate) fn pairs() -> Vec<Pair> {
    let allowed = allowed();
    let Some((&lead, others)) = allowed.split_first() else {
        return Vec::new();
    };
    let is_of_one_core = |cpu: &&usize| core(**cpu) == core(lead);
    let pair = |what, partner: Option<&usize>| {
        partner.map(|&partner| Pair {
            what,
            lead,
            partner,
        })
    };
    let near = pair("near: one core", others.iter().find(is_of_one_core));
    let far = pair(
        "far: two cores, as far as the system says",
        others.iter().find(|cpu| !is_of_one_core(cpu)),
    );
    near.into_iter().chain(far).collect()
}

/// The machine in one line.
pub(crate) fn machine() -> String {
    let apart = processors::Placement::apart().expect("Linux");
    processors::machine(apart).expect("Linux")
}

/// Keeps this process on one processor.
pub(crate) fn pin(cpu: usize) {
    processors::pin(cpu).unwrap_or_else(|error| panic!("processor {cpu}: {error}"));
}

fn allowed() -> Vec<usize> {
    processors::allowed().expect("Linux")
}
