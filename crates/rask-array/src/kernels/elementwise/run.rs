//! Running a program tile by tile: every intermediate value stays in the cache.

use rask_value::array::{DType, NdArray, Shape};
use smallvec::SmallVec;

use super::cast::cast_tile;
use super::loops::run_loop;
use super::program::{Action, Program, Register};
use super::source::{GeneratorKind, Runs, Source};
use crate::kernels::KernelError;
use crate::kernels::reduce::{ReduceOp, Total};

/// Elements of a tile. Eight bytes each, a handful of registers fit in L1 and L2.
pub const TILE: usize = 1024;

/// Runs a program over all elements of `shape`.
///
/// Arrays among the sources are broadcast to `shape`. An array that nobody else holds, of the
/// output's dtype and shape, becomes the output: its memory is reused.
pub fn run(
    program: &Program,
    mut sources: Vec<Source>,
    shape: &[usize],
) -> Result<NdArray, KernelError> {
    let reused = sources
        .iter_mut()
        .position(|source| is_reusable(source, program.dtype(), shape));
    let mut output = match reused.map(|number| &mut sources[number]) {
        Some(Source::Array(array)) => std::mem::replace(array, NdArray::zeros(array.dtype(), &[])),
        _ => NdArray::new(program.dtype(), shape),
    };
    let mut machine = Machine::new(program, sources, shape, reused)?;
    let itemsize = program.dtype().itemsize();
    let bytes = output.bytes_mut().ok_or(KernelError::Shared)?;
    for (number, tile) in bytes.chunks_mut(TILE * itemsize).enumerate() {
        machine.run_tile(number * TILE, tile)?;
    }
    Ok(output)
}

/// Runs a program over all elements of `shape` and reduces them to one; the elements themselves
/// are never stored.
pub fn run_reduce(
    program: &Program,
    sources: Vec<Source>,
    shape: &[usize],
    op: ReduceOp,
) -> Result<NdArray, KernelError> {
    let size: usize = shape.iter().product();
    let dtype = program.dtype();
    let mut machine = Machine::new(program, sources, shape, None)?;
    let mut tile = tile_buffer(dtype);
    let mut total = Total::new(op, dtype)?;
    let mut flat = 0;
    while flat < size {
        let count = TILE.min(size - flat);
        let bytes = &mut bytemuck::cast_slice_mut(&mut tile)[..count * dtype.itemsize()];
        machine.run_tile(flat, bytes)?;
        total.add(bytes);
        flat += count;
    }
    total.finish()
}

fn is_reusable(source: &mut Source, dtype: DType, shape: &[usize]) -> bool {
    match source {
        Source::Array(array) => {
            array.dtype() == dtype
                && array.shape() == shape
                && array.is_contiguous()
                && array.is_unique()
        }
        Source::Generator(_) => false,
    }
}

/// Memory of one register; aligned for every dtype.
type Tile = Vec<u128>;

fn tile_buffer(dtype: DType) -> Tile {
    vec![0; TILE * dtype.itemsize() / size_of::<u128>()]
}

/// How an input's elements reach the loops.
enum Feed {
    /// They lie in row-major order: read in place.
    Direct(NdArray),
    /// They are copied to a register, run by run.
    Gathered(NdArray, Tile),
    /// One element, repeated once for all tiles.
    Constant(Tile),
    Generated(super::source::Generator, Tile),
    /// The output's old contents, copied tile by tile before they are overwritten.
    Output(Tile),
}

struct Machine<'a> {
    program: &'a Program,
    shape: Shape,
    feeds: Vec<Feed>,
    constants: Vec<Tile>,
    /// Which register buffer each step writes to; the last step writes to the output.
    places: Vec<usize>,
    buffers: Vec<Tile>,
}

impl<'a> Machine<'a> {
    fn new(
        program: &'a Program,
        sources: Vec<Source>,
        shape: &[usize],
        reused: Option<usize>,
    ) -> Result<Self, KernelError> {
        if sources.len() != program.inputs.len() {
            return Err(KernelError::InputCount {
                expected: program.inputs.len(),
                found: sources.len(),
            });
        }
        let mut feeds = Vec::with_capacity(sources.len());
        for (number, source) in sources.into_iter().enumerate() {
            let expected = program.inputs[number];
            feeds.push(if reused == Some(number) {
                Feed::Output(tile_buffer(expected))
            } else {
                feed_of(source, expected, shape)?
            });
        }
        let constants = program
            .constants
            .iter()
            .map(|(value, dtype)| repeated(value.to_array(*dtype).bytes().unwrap_or_default()))
            .collect();
        let (places, count) = allocate_registers(program);
        // A register serves steps of several dtypes; the widest decides.
        let widest = program
            .steps
            .iter()
            .map(|step| step.dtype)
            .max_by_key(|dtype| dtype.itemsize());
        let buffers = (0..count)
            .map(|_| tile_buffer(widest.unwrap_or(DType::Bool)))
            .collect();
        Ok(Machine {
            program,
            shape: shape.into(),
            feeds,
            constants,
            places,
            buffers,
        })
    }

    /// Makes the elements from flat position `flat` on.
    fn run_tile(&mut self, flat: usize, out: &mut [u8]) -> Result<(), KernelError> {
        let count = out.len() / self.program.dtype().itemsize();
        for (number, feed) in self.feeds.iter_mut().enumerate() {
            let length = count * self.program.inputs[number].itemsize();
            match feed {
                Feed::Gathered(array, tile) => {
                    let bytes: &mut [u8] = bytemuck::cast_slice_mut(tile);
                    gather(array, &self.shape, flat, &mut bytes[..length]);
                }
                Feed::Generated(generator, tile) => {
                    let bytes: &mut [u8] = bytemuck::cast_slice_mut(tile);
                    generator.fill(&self.shape, flat, &mut bytes[..length]);
                }
                Feed::Output(tile) => {
                    let bytes: &mut [u8] = bytemuck::cast_slice_mut(tile);
                    bytes[..length].copy_from_slice(&out[..length]);
                }
                Feed::Direct(_) | Feed::Constant(_) => {}
            }
        }
        let last = match self.program.output() {
            Register::Step(number) => number as usize,
            register => {
                out.copy_from_slice(self.read(register, flat, count));
                return Ok(());
            }
        };
        for number in 0..=last {
            if number == last {
                self.run_step(number, flat, count, out)?;
                break;
            }
            let place = self.places[number];
            let mut buffer = std::mem::take(&mut self.buffers[place]);
            let length = count * self.program.steps[number].dtype.itemsize();
            let bytes: &mut [u8] = bytemuck::cast_slice_mut(&mut buffer);
            let result = self.run_step(number, flat, count, &mut bytes[..length]);
            self.buffers[place] = buffer;
            result?;
        }
        Ok(())
    }

    fn run_step(
        &self,
        number: usize,
        flat: usize,
        count: usize,
        out: &mut [u8],
    ) -> Result<(), KernelError> {
        let step = &self.program.steps[number];
        let mut inputs: [&[u8]; 3] = [&[]; 3];
        for (input, &register) in inputs.iter_mut().zip(&step.arguments) {
            *input = self.read(register, flat, count);
        }
        let (done, name) = match &step.action {
            Action::Apply { op, dtype } => (run_loop(*op, *dtype, inputs, out), op.name()),
            Action::Cast { from } => (cast_tile(*from, step.dtype, inputs[0], out), "astype"),
        };
        match done {
            true => Ok(()),
            false if name == "power" => Err(KernelError::NegativePower),
            false => Err(KernelError::NoLoop {
                op: name,
                dtype: step.dtype,
            }),
        }
    }

    fn read(&self, register: Register, flat: usize, count: usize) -> &[u8] {
        let length = count * self.program.dtype_of(register).itemsize();
        let tile: &Tile = match register {
            Register::Input(number) => match &self.feeds[number as usize] {
                Feed::Direct(array) => {
                    let start = flat * array.dtype().itemsize();
                    return &array.bytes().unwrap_or_default()[start..start + length];
                }
                Feed::Gathered(_, tile) | Feed::Generated(_, tile) => tile,
                Feed::Constant(tile) | Feed::Output(tile) => tile,
            },
            Register::Constant(number) => &self.constants[number as usize],
            Register::Step(number) => &self.buffers[self.places[number as usize]],
        };
        &bytemuck::cast_slice(tile)[..length]
    }
}

fn feed_of(source: Source, expected: DType, shape: &[usize]) -> Result<Feed, KernelError> {
    match source {
        Source::Generator(generator) => {
            if generator.dtype != expected {
                return Err(KernelError::InputDType {
                    expected,
                    found: generator.dtype,
                });
            }
            if let GeneratorKind::Fill(value) = &generator.kind {
                let element = value.to_array(expected);
                return Ok(Feed::Constant(repeated(
                    element.bytes().unwrap_or_default(),
                )));
            }
            Ok(Feed::Generated(generator, tile_buffer(expected)))
        }
        Source::Array(array) => {
            if array.dtype() != expected {
                return Err(KernelError::InputDType {
                    expected,
                    found: array.dtype(),
                });
            }
            let whole = array.broadcast_to(shape)?;
            if array.size() == 1 && whole.size() > 0 {
                let element = array.reshape(&[1])?;
                Ok(Feed::Constant(repeated(
                    element.bytes().unwrap_or_default(),
                )))
            } else if whole.is_contiguous() && is_aligned(&whole) {
                Ok(Feed::Direct(whole))
            } else {
                Ok(Feed::Gathered(whole, tile_buffer(expected)))
            }
        }
    }
}

/// Whether typed slices can be made of the array's memory; foreign memory may lie anywhere.
fn is_aligned(array: &NdArray) -> bool {
    let alignment = match array.dtype() {
        DType::Complex64 => 4,
        DType::Complex128 => 8,
        other => other.itemsize(),
    };
    (array.as_ptr() as usize).is_multiple_of(alignment)
}

fn repeated(element: &[u8]) -> Tile {
    let mut tile = vec![0; (TILE * element.len()).div_ceil(size_of::<u128>())];
    let bytes: &mut [u8] = bytemuck::cast_slice_mut(&mut tile);
    for item in bytes.chunks_exact_mut(element.len().max(1)).take(TILE) {
        item.copy_from_slice(element);
    }
    tile
}

/// Gives each step a buffer, and a buffer to another step once nobody reads it any more.
fn allocate_registers(program: &Program) -> (Vec<usize>, usize) {
    let mut last_use = vec![0; program.steps.len()];
    for (number, step) in program.steps.iter().enumerate() {
        for argument in &step.arguments {
            if let Register::Step(source) = argument {
                last_use[*source as usize] = number;
            }
        }
    }
    let (mut places, mut free, mut count) = (Vec::new(), Vec::new(), 0);
    for (number, step) in program.steps.iter().enumerate() {
        let place = free.pop().unwrap_or_else(|| {
            count += 1;
            count - 1
        });
        places.push(place);
        let mut released: SmallVec<[u16; 3]> = SmallVec::new();
        for argument in &step.arguments {
            if let Register::Step(source) = *argument
                && last_use[source as usize] == number
                && !released.contains(&source)
            {
                released.push(source);
                free.push(places[source as usize]);
            }
        }
    }
    (places, count)
}

/// Copies elements from flat position `flat` on, in row-major order of `shape`, to `out`.
fn gather(array: &NdArray, shape: &Shape, flat: usize, out: &mut [u8]) {
    match array.dtype().itemsize() {
        1 => gather_items::<u8>(array, shape, flat, out),
        2 => gather_items::<u16>(array, shape, flat, out),
        4 => gather_items::<u32>(array, shape, flat, out),
        8 => gather_items::<u64>(array, shape, flat, out),
        _ => gather_items::<u128>(array, shape, flat, out),
    }
}

fn gather_items<T: bytemuck::Pod>(array: &NdArray, shape: &Shape, flat: usize, out: &mut [u8]) {
    let out: &mut [T] = bytemuck::cast_slice_mut(out);
    let mut runs = Runs::new(shape, flat, out.len());
    let stride = array.strides().last().copied().unwrap_or(0);
    while let Some((coordinates, offset, length)) = runs.next_run() {
        let start = coordinates
            .iter()
            .zip(array.strides())
            .fold(array.as_ptr(), |at, (&i, &s)| {
                at.wrapping_offset(i as isize * s)
            });
        for (i, item) in out[offset..offset + length].iter_mut().enumerate() {
            // SAFETY: the run's coordinates lie inside `shape`, which is the array's shape, so by
            // `NdArray`'s invariant each element lies inside its buffer. Plain bytes, any alignment.
            *item = unsafe {
                start
                    .wrapping_offset(i as isize * stride)
                    .cast::<T>()
                    .read_unaligned()
            };
        }
    }
}
