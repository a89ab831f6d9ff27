//! Where arrows run: each has a slot on the edge of both its frames and a lane beside them, so that no two lie on each other.

use super::groups::Stream;

/// An arrow's places: slots from the top of the frame, lanes from the inside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Route {
    /// Which stream.
    pub(crate) stream: usize,
    /// Slot where it begins.
    pub(crate) from_slot: usize,
    /// Slot where it ends.
    pub(crate) to_slot: usize,
    /// Its lane.
    pub(crate) lane: usize,
}

/// Routes of all streams between different frames, and how many slots each of `frames` has.
pub(crate) fn routes(streams: &[Stream], frames: usize) -> (Vec<Route>, Vec<usize>) {
    let mut between: Vec<usize> = (0..streams.len()).filter(|index| streams[*index].from != streams[*index].to).collect();
    // Short ways inside, so that long ones go around them.
    between.sort_by_key(|index| (streams[*index].from.abs_diff(streams[*index].to), *index));
    let mut slots = vec![0; frames];
    let mut places = vec![(0, 0); streams.len()];
    for (frame, count) in slots.iter_mut().enumerate() {
        let mut ends: Vec<(usize, bool)> = Vec::new();
        for index in &between {
            let stream = &streams[*index];
            if stream.from == frame {
                ends.push((*index, true));
            }
            if stream.to == frame {
                ends.push((*index, false));
            }
        }
        // What comes from above lies above what comes from below.
        ends.sort_by_key(|(index, begins)| {
            let other = if *begins { streams[*index].to } else { streams[*index].from };
            (other, *begins)
        });
        *count = ends.len();
        for (slot, (index, begins)) in ends.into_iter().enumerate() {
            if begins {
                places[index].0 = slot;
            } else {
                places[index].1 = slot;
            }
        }
    }
    let routes = between
        .into_iter()
        .enumerate()
        .map(|(lane, stream)| Route { stream, from_slot: places[stream].0, to_slot: places[stream].1, lane })
        .collect();
    (routes, slots)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn no_two_arrows_share_a_slot_or_a_lane(pairs in prop::collection::btree_set((0_usize..6, 0_usize..6), 0..30)) {
            let streams: Vec<Stream> = pairs.into_iter().map(|(from, to)| Stream { from, to, label: String::new() }).collect();
            let (routes, slots) = routes(&streams, 6);
            let mut taken = BTreeSet::new();
            let mut lanes = BTreeSet::new();
            for route in &routes {
                let stream = &streams[route.stream];
                prop_assert!(route.from_slot < slots[stream.from] && route.to_slot < slots[stream.to]);
                prop_assert!(taken.insert((stream.from, route.from_slot)) && taken.insert((stream.to, route.to_slot)));
                prop_assert!(lanes.insert(route.lane));
            }
            prop_assert_eq!(taken.len(), slots.iter().sum::<usize>());
        }
    }
}
