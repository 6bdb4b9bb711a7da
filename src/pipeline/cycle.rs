//! Finding dependency cycles in a job graph.

use super::graph::Need;

/// How far the search has come with a job.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Visit {
    /// Not seen.
    New,
    /// On the path that is being followed.
    Open,
    /// Seen with everything that it needs.
    Done,
}

/// Finds dependency cycles, at most one through each job. A cycle begins with its job that is declared first, and each of
/// its jobs needs the next one; the last needs the first. Cycles come in the order of their first jobs.
///
/// A depth-first search without recursion: its time is that of looking at each need once.
pub(super) fn find_cycles(needs: &[Vec<Need>]) -> Vec<Vec<usize>> {
    let mut visits = vec![Visit::New; needs.len()];
    let mut is_reported = vec![false; needs.len()];
    let mut cycles = Vec::new();
    for start in 0..needs.len() {
        // The path, and how many needs of each job on it were followed.
        let mut path: Vec<(usize, usize)> = Vec::new();
        if visits.get(start) == Some(&Visit::New) {
            path.push((start, 0));
        }
        while let Some((job, followed)) = path.last_mut() {
            let job = *job;
            let next = needs.get(job).and_then(|needs| needs.get(*followed));
            *followed += 1;
            let next = match next {
                None => {
                    mark(&mut visits, job, Visit::Done);
                    path.pop();
                    continue;
                }
                Some(Need::Source(_)) => continue,
                Some(Need::Job(next)) => *next,
            };
            mark(&mut visits, job, Visit::Open);
            match visits.get(next) {
                Some(Visit::New) => path.push((next, 0)),
                Some(Visit::Open) => {
                    let from = path.iter().position(|(job, _)| *job == next).unwrap_or(0);
                    let cycle: Vec<usize> = path.iter().skip(from).map(|(job, _)| *job).collect();
                    if cycle.iter().all(|job| is_reported.get(*job) == Some(&false)) {
                        cycle.iter().for_each(|job| mark(&mut is_reported, *job, true));
                        cycles.push(beginning_with_first(cycle));
                    }
                }
                Some(Visit::Done) | None => {}
            }
        }
    }
    cycles.sort();
    cycles
}

fn mark<T>(all: &mut [T], job: usize, value: T) {
    if let Some(place) = all.get_mut(job) {
        *place = value;
    }
}

fn beginning_with_first(mut cycle: Vec<usize>) -> Vec<usize> {
    let first = cycle.iter().enumerate().min_by_key(|(_, job)| **job).map_or(0, |(place, _)| place);
    cycle.rotate_left(first);
    cycle
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Source;

    fn cycles(needs: &[&[usize]]) -> Vec<Vec<usize>> {
        let needs: Vec<Vec<Need>> = needs
            .iter()
            .map(|needs| {
                needs.iter().map(|job| Need::Job(*job)).chain([Need::Source(Source::Push)]).collect()
            })
            .collect();
        find_cycles(&needs)
    }

    #[test]
    fn each_cycle_is_found_once_from_its_first_job() {
        assert!(cycles(&[&[], &[0], &[0, 1]]).is_empty());
        assert_eq!(cycles(&[&[0]]), [vec![0]]);
        assert_eq!(cycles(&[&[1], &[2], &[0]]), [vec![0, 1, 2]]);
        assert_eq!(cycles(&[&[2], &[0], &[1], &[4], &[3], &[0, 3]]), [vec![0, 2, 1], vec![3, 4]]);
        // Two ways round through the same job are reported once.
        assert_eq!(cycles(&[&[1, 2], &[0], &[0]]).len(), 1);
    }

    #[test]
    fn a_chain_of_any_length_needs_no_stack() {
        let chain: Vec<Vec<Need>> = (0..10_000).map(|job| vec![Need::Job((job + 1) % 10_000)]).collect();
        assert_eq!(find_cycles(&chain).first().map(Vec::len), Some(10_000));
    }
}
