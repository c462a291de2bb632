//! Maps of nodes in the coordinates of their group.

use rask_graph::{AxisMap, InputMap};
use smallvec::SmallVec;

use super::Coordinates;
use crate::block::Coordinate;

/// The coordinates that a map names, if it names exactly one block by plain coordinates.
pub(super) fn pointwise(map: &InputMap) -> Option<Coordinates> {
    let InputMap::Axes(maps) = map else {
        return None;
    };
    maps.iter()
        .map(|map| match map {
            AxisMap::Same(axis) => Some(Coordinate::Axis(*axis)),
            AxisMap::Fixed(at) => Some(Coordinate::Fixed(*at)),
            _ => None,
        })
        .collect()
}

/// A map of a node whose own coordinates are these of its group, in the group's coordinates.
pub(super) fn move_map(map: &InputMap, coordinates: &Coordinates) -> Option<InputMap> {
    let InputMap::Axes(maps) = map else {
        return None;
    };
    let axis_of = |axis: &u32| match coordinates[*axis as usize] {
        Coordinate::Axis(axis) => Some(axis),
        Coordinate::Fixed(_) => None,
    };
    let maps: Option<SmallVec<[AxisMap; 4]>> = maps
        .iter()
        .map(|map| {
            Some(match map {
                AxisMap::Same(axis) => match coordinates[*axis as usize] {
                    Coordinate::Axis(axis) => AxisMap::Same(axis),
                    Coordinate::Fixed(at) => AxisMap::Fixed(at),
                },
                AxisMap::Fixed(at) => AxisMap::Fixed(*at),
                AxisMap::All => AxisMap::All,
                AxisMap::Shift { axis, offset } => AxisMap::Shift {
                    axis: axis_of(axis)?,
                    offset: *offset,
                },
                AxisMap::Ranges { axis, ranges } => AxisMap::Ranges {
                    axis: axis_of(axis)?,
                    ranges: ranges.clone(),
                },
                AxisMap::Lists {
                    axis,
                    offsets,
                    items,
                } => AxisMap::Lists {
                    axis: axis_of(axis)?,
                    offsets: offsets.clone(),
                    items: items.clone(),
                },
            })
        })
        .collect();
    maps.map(InputMap::Axes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lower::same_map;

    #[test]
    fn maps_move_through_permuted_coordinates() {
        let turned: Coordinates = [Coordinate::Axis(1), Coordinate::Axis(0)]
            .into_iter()
            .collect();
        let moved = move_map(&same_map(2), &turned);
        let expected = InputMap::Axes([AxisMap::Same(1), AxisMap::Same(0)].into_iter().collect());
        assert_eq!(moved, Some(expected));
    }
}
