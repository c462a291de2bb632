//! Which of many inputs can matter to a block, by its coordinates: so that a block of a long
//! concatenation does not look at every input.

use smallvec::SmallVec;

use crate::Grid;

/// An output axis, and the half-open range along it outside of which an input has no blocks.
pub(crate) type Window = (usize, u32, u32);

/// Which inputs can matter at a coordinate.
pub(crate) struct Windows {
    always: Vec<u32>,
    axes: Vec<WindowAxis>,
}

struct WindowAxis {
    axis: usize,
    offsets: Vec<u32>,
    inputs: Vec<u32>,
}

impl Windows {
    /// From the window of each input, in order; `None` for one that may matter anywhere.
    pub(crate) fn new(grid: &Grid, inputs: impl Iterator<Item = Option<Window>>) -> Self {
        let mut always = Vec::new();
        let mut spans: Vec<Vec<(u32, u32, u32)>> = vec![Vec::new(); grid.0.len()];
        for (index, window) in inputs.enumerate() {
            match window {
                Some((axis, from, to)) => spans[axis].push((index as u32, from, to)),
                None => always.push(index as u32),
            }
        }
        let axes = spans
            .into_iter()
            .enumerate()
            .filter(|(_, spans)| !spans.is_empty())
            .map(|(axis, spans)| WindowAxis::new(axis, grid.0[axis], &spans))
            .collect();
        Windows { always, axes }
    }

    /// Whether no input has a window.
    pub(crate) fn is_empty(&self) -> bool {
        self.axes.is_empty()
    }

    /// Inputs that may matter at these coordinates, in their order.
    pub(crate) fn inputs_at(&self, coords: &[u32]) -> SmallVec<[u32; 8]> {
        let mut found: SmallVec<[u32; 8]> = SmallVec::from_slice(&self.always);
        for axis in &self.axes {
            let at = coords[axis.axis] as usize;
            let (from, to) = (axis.offsets[at] as usize, axis.offsets[at + 1] as usize);
            found.extend_from_slice(&axis.inputs[from..to]);
        }
        if !self.always.is_empty() || self.axes.len() > 1 {
            found.sort_unstable();
        }
        found
    }
}

impl WindowAxis {
    fn new(axis: usize, length: u32, spans: &[(u32, u32, u32)]) -> Self {
        let mut offsets = vec![0u32; length as usize + 1];
        let clipped = |from: u32, to: u32| from.min(length) as usize..to.min(length) as usize;
        for &(_, from, to) in spans {
            for at in clipped(from, to) {
                offsets[at + 1] += 1;
            }
        }
        for at in 0..length as usize {
            offsets[at + 1] += offsets[at];
        }
        let mut next = offsets.clone();
        let mut inputs = vec![0; offsets[length as usize] as usize];
        for &(input, from, to) in spans {
            for at in clipped(from, to) {
                inputs[next[at] as usize] = input;
                next[at] += 1;
            }
        }
        WindowAxis {
            axis,
            offsets,
            inputs,
        }
    }
}
