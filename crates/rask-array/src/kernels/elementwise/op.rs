//! The elementwise operations: NumPy's ufuncs by name, and the dtypes their loops run on.

use rask_value::array::{DType, Kind, promote};
use serde::{Deserialize, Serialize};

macro_rules! element_ops {
    ($($(#[$meta:meta])* $variant:ident = $name:literal: $family:ident),* $(,)?) => {
        /// An elementwise operation; named as NumPy's ufunc.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum ElementOp { $($(#[$meta])* $variant),* }

        impl ElementOp {
            /// The ufunc's name.
            pub fn name(self) -> &'static str {
                match self { $(ElementOp::$variant => $name),* }
            }

            /// The operation of a ufunc's name.
            pub fn find(name: &str) -> Option<ElementOp> {
                match name {
                    "true_divide" => Some(ElementOp::Divide),
                    "mod" => Some(ElementOp::Remainder),
                    "abs" => Some(ElementOp::Absolute),
                    "conj" => Some(ElementOp::Conjugate),
                    "bitwise_not" | "bitwise_invert" => Some(ElementOp::Invert),
                    "radians" => Some(ElementOp::Deg2rad),
                    "degrees" => Some(ElementOp::Rad2deg),
                    "asin" => Some(ElementOp::Arcsin),
                    "acos" => Some(ElementOp::Arccos),
                    "atan" => Some(ElementOp::Arctan),
                    "atan2" => Some(ElementOp::Arctan2),
                    "pow" => Some(ElementOp::Power),
                    $($name => Some(ElementOp::$variant),)*
                    _ => None,
                }
            }

            fn family(self) -> Family {
                match self { $(ElementOp::$variant => Family::$family),* }
            }
        }
    };
}

/// What the dtypes of an operation's loop are made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Family {
    /// Both inputs and the output of the promoted dtype: numbers of any kind.
    Arithmetic,
    /// The same for a single input; bools are refused where NumPy refuses them.
    Unary,
    /// Floats; integers are promoted to a float that holds them.
    Float,
    /// Floats and complex numbers; integers as above.
    FloatOrComplex,
    /// True division: all integers give `float64`.
    Division,
    /// Integers and floats, not complex numbers.
    Real,
    /// Integers and bools.
    Bits,
    /// Integers only.
    Shift,
    /// Any dtype to bool.
    Comparison,
    /// Any dtype to bool, by truth.
    Logical,
    /// Floats to bool; integers have a fixed answer.
    Test,
    /// Rounding: floats; integers stay as they are.
    Rounding,
    /// Parts of complex numbers.
    Part,
    /// Condition and two values.
    Select,
}

element_ops! {
    Add = "add": Arithmetic,
    Subtract = "subtract": Arithmetic,
    Multiply = "multiply": Arithmetic,
    Divide = "divide": Division,
    FloorDivide = "floor_divide": Real,
    Remainder = "remainder": Real,
    Fmod = "fmod": Real,
    Power = "power": Arithmetic,
    Maximum = "maximum": Real,
    Minimum = "minimum": Real,
    Fmax = "fmax": Real,
    Fmin = "fmin": Real,
    Copysign = "copysign": Float,
    Nextafter = "nextafter": Float,
    Hypot = "hypot": Float,
    Arctan2 = "arctan2": Float,
    Logaddexp = "logaddexp": Float,
    Logaddexp2 = "logaddexp2": Float,
    Heaviside = "heaviside": Float,
    BitwiseAnd = "bitwise_and": Bits,
    BitwiseOr = "bitwise_or": Bits,
    BitwiseXor = "bitwise_xor": Bits,
    Invert = "invert": Bits,
    LeftShift = "left_shift": Shift,
    RightShift = "right_shift": Shift,
    Equal = "equal": Comparison,
    NotEqual = "not_equal": Comparison,
    Less = "less": Comparison,
    LessEqual = "less_equal": Comparison,
    Greater = "greater": Comparison,
    GreaterEqual = "greater_equal": Comparison,
    LogicalAnd = "logical_and": Logical,
    LogicalOr = "logical_or": Logical,
    LogicalXor = "logical_xor": Logical,
    LogicalNot = "logical_not": Logical,
    Negative = "negative": Unary,
    Positive = "positive": Unary,
    Absolute = "absolute": Part,
    Fabs = "fabs": Float,
    Sign = "sign": Real,
    Square = "square": Unary,
    Reciprocal = "reciprocal": FloatOrComplex,
    Sqrt = "sqrt": FloatOrComplex,
    Cbrt = "cbrt": Float,
    Exp = "exp": FloatOrComplex,
    Exp2 = "exp2": Float,
    Expm1 = "expm1": Float,
    Log = "log": FloatOrComplex,
    Log2 = "log2": Float,
    Log10 = "log10": Float,
    Log1p = "log1p": Float,
    Sin = "sin": FloatOrComplex,
    Cos = "cos": FloatOrComplex,
    Tan = "tan": FloatOrComplex,
    Arcsin = "arcsin": Float,
    Arccos = "arccos": Float,
    Arctan = "arctan": Float,
    Sinh = "sinh": FloatOrComplex,
    Cosh = "cosh": FloatOrComplex,
    Tanh = "tanh": FloatOrComplex,
    Arcsinh = "arcsinh": Float,
    Arccosh = "arccosh": Float,
    Arctanh = "arctanh": Float,
    Deg2rad = "deg2rad": Float,
    Rad2deg = "rad2deg": Float,
    Rint = "rint": Float,
    Floor = "floor": Rounding,
    Ceil = "ceil": Rounding,
    Trunc = "trunc": Rounding,
    Isnan = "isnan": Test,
    Isinf = "isinf": Test,
    Isfinite = "isfinite": Test,
    Signbit = "signbit": Test,
    Conjugate = "conjugate": Unary,
    Real = "real": Part,
    Imag = "imag": Part,
    /// `where(condition, x, y)`.
    Where = "where": Select,
    /// `clip(x, low, high)`: NaN in any of them gives NaN.
    Clip = "clip": Select,
}

/// The dtypes that a loop takes and gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    /// What each input is cast to.
    pub inputs: smallvec::SmallVec<[DType; 3]>,
    pub output: DType,
}

impl Signature {
    fn uniform(count: usize, dtype: DType, output: DType) -> Option<Signature> {
        (dtype != DType::Float16 && output != DType::Float16).then(|| Signature {
            inputs: smallvec::smallvec![dtype; count],
            output,
        })
    }
}

impl ElementOp {
    /// How many inputs the operation takes.
    pub fn arity(self) -> usize {
        use ElementOp as E;
        match (self.family(), self) {
            (Family::Select, _) => 3,
            (_, E::LogicalNot | E::Invert | E::Sign | E::Fabs | E::Cbrt | E::Exp2 | E::Expm1) => 1,
            (_, E::Log2 | E::Log10 | E::Log1p | E::Arcsin | E::Arccos | E::Arctan) => 1,
            (_, E::Arcsinh | E::Arccosh | E::Arctanh | E::Deg2rad | E::Rad2deg | E::Rint) => 1,
            (Family::Unary | Family::FloatOrComplex | Family::Rounding, _) => 1,
            (Family::Test | Family::Part, _) => 1,
            _ => 2,
        }
    }

    /// The native loop for inputs of these dtypes; `None` where there is none (datetimes, half
    /// floats, mixtures that NumPy refuses), which leaves the operation to the duck backend.
    pub fn signature(self, dtypes: &[DType]) -> Option<Signature> {
        if dtypes.len() != self.arity() || dtypes.iter().any(|&dtype| is_time(dtype)) {
            return None;
        }
        if self.family() == Family::Select {
            return self.select_signature(dtypes);
        }
        let joint = dtypes
            .iter()
            .copied()
            .reduce(|a, b| promote(a, b).unwrap_or(DType::Float16))?;
        let count = dtypes.len();
        let (kind, same) = (joint.kind(), Signature::uniform(count, joint, joint));
        let to_bool = Signature::uniform(count, joint, DType::Bool);
        match self.family() {
            Family::Arithmetic => match (self, kind) {
                (ElementOp::Subtract | ElementOp::Power, Kind::Bool) => None,
                (ElementOp::Power, Kind::Complex) => None,
                _ => same,
            },
            Family::Unary => match (self, kind) {
                (
                    ElementOp::Negative
                    | ElementOp::Positive
                    | ElementOp::Square
                    | ElementOp::Conjugate,
                    Kind::Bool,
                ) => None,
                _ => same,
            },
            Family::Real => match (self, kind) {
                (_, Kind::Complex) => None,
                (ElementOp::Maximum | ElementOp::Minimum, Kind::Bool) => same,
                (ElementOp::Fmax | ElementOp::Fmin, Kind::Bool) => same,
                (_, Kind::Bool) => None,
                _ => same,
            },
            // NumPy takes the narrowest loop that every input fits by itself: int16 with uint16,
            // which promote to int32, give float32.
            Family::Float => {
                let floats = dtypes.iter().map(|&dtype| narrowest_float(dtype));
                let float = floats.reduce(|a, b| promote(a?, b?)).flatten()?;
                Signature::uniform(count, float, float)
            }
            Family::FloatOrComplex => match (self, kind) {
                (ElementOp::Reciprocal, Kind::Int | Kind::UInt | Kind::Bool) => None,
                (_, Kind::Complex) => same,
                _ => Signature::uniform(count, float_of(joint)?, float_of(joint)?),
            },
            Family::Division => match kind {
                Kind::Float | Kind::Complex => same,
                _ => Signature::uniform(count, DType::Float64, DType::Float64),
            },
            Family::Bits => matches!(kind, Kind::Bool | Kind::Int | Kind::UInt).then_some(same)?,
            Family::Shift => matches!(kind, Kind::Int | Kind::UInt).then_some(same)?,
            Family::Comparison => {
                let mixed = kind == Kind::Float && dtypes.iter().all(|&d| is_integer(d));
                let ordered = matches!(self, ElementOp::Equal | ElementOp::NotEqual);
                if mixed || (kind == Kind::Complex && !ordered) {
                    None
                } else {
                    to_bool
                }
            }
            Family::Logical => to_bool,
            Family::Test => match (self, kind) {
                (ElementOp::Signbit, Kind::Complex) => None,
                (_, Kind::Float | Kind::Complex) => to_bool,
                (ElementOp::Signbit, _) => Signature::uniform(1, DType::Float64, DType::Bool),
                _ => to_bool,
            },
            Family::Rounding => match kind {
                Kind::Complex => None,
                _ => same,
            },
            Family::Part => {
                let part = rask_value::array::real_part(joint);
                Signature::uniform(1, joint, part)
            }
            Family::Select => None,
        }
    }

    fn select_signature(self, dtypes: &[DType]) -> Option<Signature> {
        let joint = match self {
            ElementOp::Where => promote(dtypes[1], dtypes[2])?,
            _ => promote(promote(dtypes[0], dtypes[1])?, dtypes[2])?,
        };
        if joint == DType::Float16 || (self == ElementOp::Clip && joint.kind() == Kind::Complex) {
            return None;
        }
        let first = if self == ElementOp::Where {
            DType::Bool
        } else {
            joint
        };
        Some(Signature {
            inputs: smallvec::smallvec![first, joint, joint],
            output: joint,
        })
    }
}

fn is_time(dtype: DType) -> bool {
    matches!(dtype.kind(), Kind::DateTime | Kind::TimeDelta)
}

fn is_integer(dtype: DType) -> bool {
    matches!(dtype.kind(), Kind::Int | Kind::UInt | Kind::Bool)
}

/// The narrowest float that holds a dtype's numbers (64-bit integers count as held by `float64`);
/// `None` for complex numbers and times.
fn narrowest_float(dtype: DType) -> Option<DType> {
    match dtype {
        DType::Bool | DType::Int8 | DType::UInt8 | DType::Float16 => Some(DType::Float16),
        _ => float_of(dtype),
    }
}

/// The float in which NumPy computes a function of a dtype; `None` for half floats.
fn float_of(dtype: DType) -> Option<DType> {
    match dtype {
        DType::Float32 | DType::Int16 | DType::UInt16 => Some(DType::Float32),
        DType::Float64 | DType::Int32 | DType::UInt32 | DType::Int64 | DType::UInt64 => {
            Some(DType::Float64)
        }
        _ => None,
    }
}
