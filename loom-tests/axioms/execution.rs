//! Candidate executions: a trace of each thread, the store that each load reads from, and
//! the order of the stores to each word. Every coherent candidate is enumerated; a memory
//! model says which ones can happen.

use std::sync::atomic::Ordering;

use super::relation::{MOST, Relation, Set, members};
use super::trace::{Event, Kind, Trace};

/// An execution, with the names that `.cat` files use.
pub(crate) struct Execution {
    /// One store of the initial value for each word, then the threads' events.
    pub(crate) events: Vec<Event>,
    /// Program order, transitively closed.
    pub(crate) po: Relation,
    /// The read of a read-modify-write, and its write.
    pub(crate) rmw: Relation,
    /// Events of the same word.
    pub(crate) loc: Relation,
    /// Events of one thread.
    pub(crate) internal: Relation,
    /// From the kernel's barrier to its interrupts, and back.
    pub(crate) interrupts: Relation,
    /// The stores of the initial values.
    pub(crate) initial: Set,
    /// From a store to the loads that read it.
    pub(crate) rf: Relation,
    /// The order of the stores to one word.
    pub(crate) co: Relation,
    /// From a load to the stores that follow the one that it reads.
    pub(crate) fr: Relation,
}

impl Execution {
    /// The events for which a condition holds.
    pub(crate) fn set(&self, is_in: impl Fn(&Event) -> bool) -> Set {
        let events = self.events.iter().enumerate();
        events.fold(0, |set, (number, event)| {
            set | Set::from(is_in(event)) << number
        })
    }

    pub(crate) fn reads(&self) -> Set {
        self.set(|event| event.kind == Kind::Read)
    }

    pub(crate) fn writes(&self) -> Set {
        self.set(|event| event.writes())
    }

    /// The fences of the processor with one of these orderings.
    pub(crate) fn fences(&self, orders: &[Ordering]) -> Set {
        use Kind::{BarrierBegins, BarrierEnds, Fence, Interrupt};
        self.set(|event| {
            matches!(event.kind, Fence | BarrierBegins | BarrierEnds | Interrupt)
                && event.order.is_some_and(|order| orders.contains(&order))
        })
    }

    /// The last value of each word that `wanted` names.
    pub(crate) fn ends_with(&self, wanted: &[(usize, u64)]) -> bool {
        wanted.iter().all(|&(place, value)| {
            let writes = self.set(|event| event.writes() && event.place == place);
            let mut last = members(writes).filter(|&write| self.co.row(write) == 0);
            last.all(|write| self.events[write].value == value)
        })
    }

    /// A message: what is wrong, then the execution.
    pub(crate) fn show(&self, wrong: &str) -> String {
        let mut text = wrong.to_owned();
        let mut thread = 0;
        for (number, event) in self.events.iter().enumerate() {
            if self.initial >> number & 1 == 1 {
                continue;
            }
            if self.initial >> (number - 1) & 1 == 1 || !self.internal.has(number - 1, number) {
                thread += 1;
                text += &format!("\n  thread {thread}:");
            }
            text += &format!("\n    {event}");
            for write in members(self.rf.inverse().row(number)) {
                match self.initial >> write & 1 == 1 {
                    true => text += ", the initial value",
                    false => text += &format!(", from {}", self.events[write]),
                }
            }
        }
        text
    }

    /// Combines traces, still without reads-from; `None` if a barrier and its interrupts do
    /// not match.
    fn assemble(initial: &[u64], traces: &[&Trace]) -> Option<Self> {
        let initials = initial.iter().enumerate();
        let stores = initials.map(|(place, &value)| Event::initial(place, value));
        let threads = traces.iter().map(|trace| trace.events.len());
        let count = initial.len() + threads.sum::<usize>();
        assert!(count <= MOST, "an execution has {count} events");
        let mut execution = Self {
            events: stores.collect(),
            po: Relation::new(count),
            rmw: Relation::new(count),
            loc: Relation::new(count),
            internal: Relation::new(count),
            interrupts: Relation::new(count),
            initial: (1 << initial.len()) - 1,
            rf: Relation::new(count),
            co: Relation::new(count),
            fr: Relation::new(count),
        };
        for trace in traces {
            let first = execution.events.len();
            execution.events.extend(&trace.events);
            let own = first..execution.events.len();
            for event in own.clone() {
                for other in own.clone() {
                    execution.internal.insert(event, other);
                    if event < other {
                        execution.po.insert(event, other);
                    }
                }
                if execution.events[event].kind == Kind::Modify {
                    execution.rmw.insert(event - 1, event);
                }
            }
        }
        let accesses = execution.set(|event| event.place < initial.len());
        for event in members(accesses) {
            let place = execution.events[event].place;
            for other in members(execution.set(|event| event.place == place)) {
                execution.loc.insert(event, other);
            }
        }
        execution.connect_barrier().then_some(execution)
    }

    /// Each barrier is one call, and it interrupts every thread that can be interrupted.
    fn connect_barrier(&mut self) -> bool {
        let begins = self.set(|event| event.kind == Kind::BarrierBegins);
        let ends = self.set(|event| event.kind == Kind::BarrierEnds);
        let interrupts = self.set(|event| event.kind == Kind::Interrupt);
        assert!(begins.count_ones() <= 1, "a scenario has one barrier");
        for interrupt in members(interrupts) {
            members(begins).for_each(|begin| self.interrupts.insert(begin, interrupt));
            members(ends).for_each(|end| self.interrupts.insert(interrupt, end));
        }
        interrupts == 0 || begins != 0
    }

    /// All coherent choices of `rf` and `co` for one word.
    fn ways(&self, place: usize) -> Vec<(Relation, Relation)> {
        let reads = self.set(|event| event.kind == Kind::Read && event.place == place);
        let writes = self.set(|event| event.writes() && event.place == place);
        let reads: Vec<_> = members(reads).collect();
        let mut orders = Vec::new();
        self.order(writes, Vec::new(), &mut orders);
        let mut ways = Vec::new();
        for order in orders {
            let mut co = Relation::new(self.events.len());
            for (position, &write) in order.iter().enumerate() {
                let before = order[..position].iter();
                before.for_each(|&before| co.insert(before, write));
            }
            let rf = Relation::new(self.events.len());
            self.source(&order, &reads, &mut Vec::new(), rf, &mut |rf| {
                ways.push((rf, co));
            });
        }
        ways
    }

    /// Every order of the remaining writes, after those that have a place.
    fn order(&self, left: Set, placed: Vec<usize>, orders: &mut Vec<Vec<usize>>) {
        if left == 0 {
            return orders.push(placed);
        }
        for write in members(left) {
            let others = left & !(1 << write);
            let is_initial = |event: usize| self.initial >> event & 1 == 1;
            let comes_first = |other| is_initial(other) || self.po.has(other, write);
            // A read-modify-write directly follows the store that it reads.
            let fits = |&last: &usize| {
                let is_modify = self.events[write].kind == Kind::Modify;
                !is_modify || self.events[last].value == self.events[write - 1].value
            };
            if !members(others).any(comes_first) && placed.last().is_none_or(fits) {
                let mut placed = placed.clone();
                placed.push(write);
                self.order(others, placed, orders);
            }
        }
    }

    /// Calls `found` with every coherent choice of sources for stores in this order. `read`
    /// has the reads whose source is chosen, with its place in the order.
    fn source(
        &self,
        order: &[usize],
        left: &[usize],
        read: &mut Vec<(usize, usize)>,
        rf: Relation,
        found: &mut dyn FnMut(Relation),
    ) {
        let Some((&load, left)) = left.split_first() else {
            return found(rf);
        };
        for (at, &write) in order.iter().enumerate() {
            // Program order agrees with the order of stores.
            let is_coherent = order.iter().enumerate().all(|(other, &store)| {
                !(self.po.has(store, load) && other > at
                    || self.po.has(load, store) && other <= at
                    // No thread stores between the halves of a read-modify-write.
                    || self.rmw.has(load, store) && other != at + 1)
            }) && read
                .iter()
                .all(|&(earlier, source)| !self.po.has(earlier, load) || source <= at);
            if self.events[write].value == self.events[load].value && is_coherent {
                let mut rf = rf;
                rf.insert(write, load);
                read.push((load, at));
                self.source(order, left, read, rf, found);
                read.pop();
            }
        }
    }

    /// Calls `judge` with each coherent execution of these traces until it returns `false`.
    /// Returns whether it never did.
    pub(crate) fn each(
        initial: &[u64],
        traces: &[&Trace],
        judge: &mut dyn FnMut(&Self) -> bool,
    ) -> bool {
        let Some(mut execution) = Self::assemble(initial, traces) else {
            return true;
        };
        let mut ways = Vec::new();
        for place in 0..initial.len() {
            let here = execution.ways(place);
            if here.is_empty() {
                return true;
            }
            ways.push(here);
        }
        execution.choose(&ways, judge)
    }

    fn choose(
        &mut self,
        ways: &[Vec<(Relation, Relation)>],
        judge: &mut dyn FnMut(&Self) -> bool,
    ) -> bool {
        let Some((here, others)) = ways.split_first() else {
            self.fr = self.rf.inverse().then(&self.co);
            return judge(self);
        };
        let (rf, co) = (self.rf, self.co);
        for &(rf_here, co_here) in here {
            self.rf = rf | rf_here;
            self.co = co | co_here;
            if !self.choose(others, judge) {
                return false;
            }
        }
        (self.rf, self.co) = (rf, co);
        true
    }
}
