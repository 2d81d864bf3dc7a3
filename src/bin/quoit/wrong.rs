//! What looks wrong with a ring, in plain words and with the command that helps.

use quoit::{DoorbellKind, Role};

use crate::entry::{Entry, corrupt};
use crate::names::quoted;
use crate::sight::{Look, Motion, Peer};

/// What is as good as full, in percent.
pub(crate) const FULL: u64 = 95;

/// All that is, of the look at an entry, with the motion since another one.
pub(crate) fn wrong(entry: &Entry, motion: Option<&Motion>) -> Vec<String> {
    let look = match &entry.ring {
        Ok(look) => look,
        Err((_, why)) => return vec![why.clone()],
    };
    let name = quoted(&entry.shown());
    let held = look
        .is_held()
        .then(|| format!("stop {} and ", look.holders()));
    let held = held.unwrap_or_default();
    let found = look.corrupt.as_ref();
    let mut wrong: Vec<_> = found
        .map(|found| corrupt(found, &name, &held))
        .into_iter()
        .collect();
    for peer in look.peers() {
        let (role, rescues) = (peer.role, peer.state.rescues);
        if peer.has_died() {
            let named = peer.named();
            wrong.push(format!(
                "the {role} ({named}) died; a new one continues where it was"
            ));
        }
        if let Some(pid) = peer.pid().filter(|_| peer.running().is_stopped()) {
            wrong.push(format!(
                "the {role} (process {pid}) is stopped; kill -CONT {pid}"
            ));
        } else if role == Role::Consumer && look.corrupt.is_none() {
            wrong.extend(motion.and_then(|motion| stalled(look, &peer, motion)));
        }
        wrong.extend((rescues > 0).then(|| rescued(role, rescues, look.info.doorbell)));
    }
    let is_full = look.corrupt.is_none() && look.percent() >= FULL;
    if is_full && !look.peer(Role::Consumer).is_alive {
        wrong.push("it is full, and no process reads it; start a consumer".to_owned());
    }
    if look.is_superseded {
        wrong.push(
            "it was removed or replaced; attached processes should open its name again".to_owned(),
        );
    }
    if look.is_half_removed {
        wrong.push(format!(
            "a process that was removing or replacing it died, or is still at it; the next \
             process that opens the ring to write removes it, or continues with it if it may \
             not; quoit rm {name} removes it for its owner, the owner of its directory, and root"
        ));
    }
    wrong
}

/// A consumer that takes nothing.
fn stalled(look: &Look, peer: &Peer, motion: &Motion) -> Option<String> {
    let full = match look.percent() {
        FULL.. => "full: ",
        _ => "",
    };
    let (named, seconds) = (peer.named(), motion.stalled_seconds);
    let (unread, unit) = (look.sample.positions.len(), look.shape().1);
    (seconds > 0.0).then(|| {
        let does = peer.running().words();
        format!(
            "{full}the consumer ({named}) has taken nothing for {seconds:.1} s, and {unread} \
             {unit} are unread{does}"
        )
    })
}

/// What a counter of rescues says, and what to check. It proves nothing: any process that
/// may write to the ring can raise it.
fn rescued(role: Role, count: u64, doorbell: DoorbellKind) -> String {
    let (peer, waiting, moves) = match role {
        Role::Producer => (Role::Consumer, "there was room", "release"),
        _ => (Role::Producer, "messages were waiting", "publish"),
    };
    let wake = match doorbell {
        DoorbellKind::Semaphore => format!("sem_post on the {role}'s semaphore"),
        _ => "FUTEX_WAKE without FUTEX_PRIVATE_FLAG".to_owned(),
    };
    format!(
        "{count} sleeps of the {role} lasted until a timeout although {waiting}, as its counter \
         says; check that the {peer} wakes after each {moves}, by {wake} (any process that may \
         write to the ring can raise the counter)"
    )
}
