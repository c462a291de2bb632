//! Whether the rules of a layer name blocks that there are.

use crate::{AxisMap, GraphError, InputMap, Layer};

/// Checks the rule by which `layer` is given blocks of `source`.
pub(crate) fn check_map(layer: &Layer, source: &Layer, map: &InputMap) -> Result<(), GraphError> {
    match map {
        InputMap::Axes(maps) => {
            if maps.len() != source.grid.0.len() {
                return Err(GraphError::AxisCount {
                    layer: layer.name.to_string(),
                    maps: maps.len(),
                    axes: source.grid.0.len(),
                });
            }
            maps.iter()
                .zip(&source.grid.0)
                .try_for_each(|(map, &length)| check_axis(layer, source, map, length))
        }
        InputMap::Explicit { offsets, blocks } => check_lists(
            layer,
            source,
            offsets,
            blocks,
            layer.block_count(),
            source.block_count(),
        ),
    }
}

fn check_axis(layer: &Layer, source: &Layer, map: &AxisMap, length: u32) -> Result<(), GraphError> {
    let outside = |at: u32| GraphError::BlockOutOfRange {
        layer: layer.name.to_string(),
        input: source.name.to_string(),
        block: u64::from(at),
        count: u64::from(length),
    };
    let length_along = |axis: &u32| {
        let found = layer.grid.0.get(*axis as usize).copied();
        found.ok_or_else(|| malformed(layer, source, "it names an axis the layer does not have"))
    };
    match map {
        AxisMap::Same(axis) => match length_along(axis)? {
            count if count > length => Err(outside(count - 1)),
            _ => Ok(()),
        },
        AxisMap::Fixed(at) if *at >= length && layer.block_count() > 0 => Err(outside(*at)),
        AxisMap::Fixed(_) | AxisMap::All => Ok(()),
        AxisMap::Shift { axis, .. } => length_along(axis).map(|_| ()),
        AxisMap::Ranges { axis, ranges } => {
            if ranges.len() < length_along(axis)? as usize {
                return Err(malformed(layer, source, "it has too few ranges"));
            }
            match ranges.iter().find(|(from, to)| from < to && *to > length) {
                Some((_, to)) => Err(outside(to - 1)),
                None => Ok(()),
            }
        }
        AxisMap::Lists {
            axis,
            offsets,
            items,
        } => {
            let count = u64::from(length_along(axis)?);
            check_lists(layer, source, offsets, items, count, u64::from(length))
        }
    }
}

fn check_lists(
    layer: &Layer,
    source: &Layer,
    offsets: &[u32],
    items: &[u32],
    lists: u64,
    count: u64,
) -> Result<(), GraphError> {
    let ordered = offsets.windows(2).all(|pair| pair[0] <= pair[1]);
    let end = offsets.last().copied().unwrap_or(0) as usize;
    if !ordered || (offsets.len() as u64) < lists + 1 || end > items.len() {
        let reason = "its offsets are not one more than the blocks, increasing, within the list";
        return Err(malformed(layer, source, reason));
    }
    match items.iter().find(|&&item| u64::from(item) >= count) {
        Some(&item) => Err(GraphError::BlockOutOfRange {
            layer: layer.name.to_string(),
            input: source.name.to_string(),
            block: u64::from(item),
            count,
        }),
        None => Ok(()),
    }
}

fn malformed(layer: &Layer, source: &Layer, reason: &'static str) -> GraphError {
    GraphError::Malformed {
        layer: layer.name.to_string(),
        input: source.name.to_string(),
        reason,
    }
}
