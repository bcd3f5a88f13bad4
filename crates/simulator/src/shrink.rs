//! Removes the callers and the faults that a violation does not need.

use std::io;

use crate::{history::Finding, plan::Plan, run::run};

/// Returns the smallest plan found in which `is_wanted` is true of a finding. Reports each
/// success.
///
/// # Errors
/// A run failed.
pub fn shrink(
    plan: Plan,
    is_wanted: impl Fn(&Finding) -> bool,
    mut report: impl FnMut(&Plan),
) -> io::Result<Plan> {
    let breaks =
        |plan: &Plan| -> io::Result<bool> { Ok(run(plan, false)?.findings.iter().any(&is_wanted)) };
    let mut smallest = plan;
    loop {
        let before = (smallest.callers.len(), smallest.faults.len());
        let faults = smallest.faults.len();
        smallest =
            without(smallest, faults, |plan, from, to| drop(plan.faults.drain(from..to)), &breaks)?;
        report(&smallest);
        let callers = smallest.callers.len();
        smallest = without(
            smallest,
            callers,
            |plan, from, to| drop(plan.callers.drain(from..to)),
            &breaks,
        )?;
        report(&smallest);
        if (smallest.callers.len(), smallest.faults.len()) == before {
            return Ok(smallest);
        }
    }
}

/// Removes ranges of items: halves first, single items last.
fn without(
    mut plan: Plan,
    mut count: usize,
    remove: impl Fn(&mut Plan, usize, usize),
    breaks: &impl Fn(&Plan) -> io::Result<bool>,
) -> io::Result<Plan> {
    let mut size = count.div_ceil(2);
    while size > 0 {
        let mut from = 0;
        while from < count {
            let to = (from + size).min(count);
            let mut smaller = plan.clone();
            remove(&mut smaller, from, to);
            if breaks(&smaller)? {
                plan = smaller;
                count -= to - from;
            } else {
                from = to;
            }
        }
        size = if size == 1 { 0 } else { size.div_ceil(2) };
    }
    Ok(plan)
}
