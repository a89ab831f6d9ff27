//! Where, in the course of a deployment, something is killed.

use std::fmt;

/// What is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// barque itself, by kill -9.
    Barque,
    /// A host's agent, by kill -9.
    Agent,
    /// A host's SSH session, by kill -9.
    Session,
    /// A host's power.
    Power,
}

/// The moment, once so much has been done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// An intent has been written.
    Intent,
    /// An outcome has been written.
    Outcome,
    /// A step has begun, which may be one without a journal: a transfer, or waiting for a gate.
    Step,
}

/// A point at which something is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Point {
    /// Its number, from 1.
    pub number: usize,
    /// What is killed.
    pub target: Target,
    /// At which moment; the host is the one that the moment concerns.
    pub moment: Moment,
    /// Changes on all hosts that must have ended well before.
    pub after: usize,
}

impl fmt::Display for Point {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let target = match self.target {
            Target::Barque => "barque",
            Target::Agent => "the agent",
            Target::Session => "the SSH session",
            Target::Power => "the power",
        };
        let moment = match self.moment {
            Moment::Intent => "an intent",
            Moment::Outcome => "an outcome",
            Moment::Step => "the start of a step",
        };
        write!(formatter, "point {}: {target}, at {moment} after {} changes", self.number, self.after)
    }
}

/// `count` points over a deployment of `changes` changes, dealt to deployments with `each` points at most. Every other point lies in the last
/// tenth: files are written in a few seconds, and then units start and wait for each other. Every target meets every moment when there are
/// twelve points or more.
pub fn points(count: usize, changes: usize, each: usize) -> Vec<Vec<Point>> {
    let deployments = count.div_ceil(each.max(1)).max(1);
    let mut dealt = vec![Vec::new(); deployments];
    for index in 0..count {
        let turn = index + index / 12;
        let even = changes * (2 * index + 1) / (2 * count);
        let point = Point {
            number: index + 1,
            target: [Target::Barque, Target::Agent, Target::Session, Target::Power][turn % 4],
            moment: [Moment::Intent, Moment::Outcome, Moment::Step][turn % 3],
            after: if index % 2 == 0 { even } else { changes - changes / 10 + even / 10 },
        };
        dealt[index % deployments].push(point);
    }
    for points in &mut dealt {
        points.sort_by_key(|point| point.after);
    }
    dealt
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn points_are_spread_and_mixed() {
        let dealt = points(60, 480, 5);
        assert_eq!(dealt.len(), 12);
        assert!(dealt.iter().all(|points| points.len() == 5 && points.windows(2).all(|pair| pair[0].after <= pair[1].after)));
        let all: Vec<&Point> = dealt.iter().flatten().collect();
        let kinds: BTreeSet<String> = all.iter().map(|point| format!("{:?} {:?}", point.target, point.moment)).collect();
        assert_eq!(kinds.len(), 12, "{kinds:?}");
        assert!(
            dealt.iter().all(|points| points.iter().any(|point| point.target != points[0].target)),
            "a deployment sees more than one kind"
        );
        assert!(all.iter().all(|point| point.after < 480) && all.iter().any(|point| point.after < 10));
        assert!(all.iter().filter(|point| point.after >= 432).count() >= 30);
    }

    #[test]
    fn the_smallest_set_has_one_of_each_target() {
        let dealt = points(4, 480, 4);
        assert_eq!(dealt.len(), 1);
        let seen: Vec<(usize, Target, Moment)> = dealt[0].iter().map(|point| (point.after, point.target, point.moment)).collect();
        let wanted = [
            (60, Target::Barque, Moment::Intent),
            (300, Target::Session, Moment::Step),
            (450, Target::Agent, Moment::Outcome),
            (474, Target::Power, Moment::Intent),
        ];
        assert_eq!(seen, wanted);
    }
}
