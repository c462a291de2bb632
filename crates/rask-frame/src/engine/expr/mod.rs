//! Expressions over the columns of a table: plain data that can be inspected, moved through a
//! logical plan, sent to another process, and evaluated on any partition.
//!
//! [`Expr::dtype`] says from a schema alone what an expression gives, and refuses what cannot
//! work; [`Expr::evaluate`] gives it.

mod arithmetic;
mod compare;
mod datetime;
mod evaluate;
mod function;
mod infer;
mod logical;
mod math;
mod missing;
mod strings;
mod timespan;

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

pub use function::{DtFunction, Function, Inclusive, MathFunction, Side, StrFunction};

use super::{DType, Label, Scalar};

/// A computation on the rows of a table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Expr {
    Column(Label),
    /// A level of the index.
    Index(usize),
    Literal(Scalar),
    Binary {
        op: BinaryOp,
        left: Box<Expr>,
        right: Box<Expr>,
    },
    Unary {
        op: UnaryOp,
        input: Box<Expr>,
    },
    /// `astype`.
    Cast {
        input: Box<Expr>,
        dtype: DType,
    },
    Call {
        function: Function,
        inputs: Vec<Expr>,
    },
}

/// Operators of two operands; division as in Python.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum BinaryOp {
    Add,
    Sub,
    Mul,
    TrueDiv,
    FloorDiv,
    Mod,
    Pow,
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
    And,
    Or,
    Xor,
}

/// Operators of one operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum UnaryOp {
    Neg,
    Invert,
    Abs,
}

/// The column of a label.
pub fn col(label: impl Into<Label>) -> Expr {
    Expr::Column(label.into())
}

/// A constant.
pub fn lit(value: impl Into<Scalar>) -> Expr {
    Expr::Literal(value.into())
}

impl BinaryOp {
    pub fn symbol(self) -> &'static str {
        match self {
            BinaryOp::Add => "+",
            BinaryOp::Sub => "-",
            BinaryOp::Mul => "*",
            BinaryOp::TrueDiv => "/",
            BinaryOp::FloorDiv => "//",
            BinaryOp::Mod => "%",
            BinaryOp::Pow => "**",
            BinaryOp::Eq => "==",
            BinaryOp::Ne => "!=",
            BinaryOp::Lt => "<",
            BinaryOp::Le => "<=",
            BinaryOp::Gt => ">",
            BinaryOp::Ge => ">=",
            BinaryOp::And => "&",
            BinaryOp::Or => "|",
            BinaryOp::Xor => "^",
        }
    }

    pub fn is_comparison(self) -> bool {
        use BinaryOp::*;
        matches!(self, Eq | Ne | Lt | Le | Gt | Ge)
    }

    pub fn is_logical(self) -> bool {
        use BinaryOp::*;
        matches!(self, And | Or | Xor)
    }

    /// The comparison with its sides exchanged.
    pub(crate) fn flipped(self) -> BinaryOp {
        match self {
            BinaryOp::Lt => BinaryOp::Gt,
            BinaryOp::Le => BinaryOp::Ge,
            BinaryOp::Gt => BinaryOp::Lt,
            BinaryOp::Ge => BinaryOp::Le,
            other => other,
        }
    }
}

impl Expr {
    pub fn binary(op: BinaryOp, left: Expr, right: Expr) -> Expr {
        Expr::Binary {
            op,
            left: Box::new(left),
            right: Box::new(right),
        }
    }

    pub fn unary(op: UnaryOp, input: Expr) -> Expr {
        Expr::Unary {
            op,
            input: Box::new(input),
        }
    }

    pub fn call(function: Function, inputs: Vec<Expr>) -> Expr {
        Expr::Call { function, inputs }
    }

    pub fn cast(self, dtype: DType) -> Expr {
        Expr::Cast {
            input: Box::new(self),
            dtype,
        }
    }

    pub fn eq(self, other: Expr) -> Expr {
        Expr::binary(BinaryOp::Eq, self, other)
    }

    pub fn gt(self, other: Expr) -> Expr {
        Expr::binary(BinaryOp::Gt, self, other)
    }

    pub fn lt(self, other: Expr) -> Expr {
        Expr::binary(BinaryOp::Lt, self, other)
    }

    pub fn and(self, other: Expr) -> Expr {
        Expr::binary(BinaryOp::And, self, other)
    }

    /// The expression's operands.
    pub fn children(&self) -> Vec<&Expr> {
        match self {
            Expr::Column(_) | Expr::Index(_) | Expr::Literal(_) => Vec::new(),
            Expr::Binary { left, right, .. } => vec![left, right],
            Expr::Unary { input, .. } | Expr::Cast { input, .. } => vec![input],
            Expr::Call { inputs, .. } => inputs.iter().collect(),
        }
    }

    /// The expression with each operand replaced.
    pub fn map_children(&self, f: &mut dyn FnMut(&Expr) -> Expr) -> Expr {
        match self {
            Expr::Column(_) | Expr::Index(_) | Expr::Literal(_) => self.clone(),
            Expr::Binary { op, left, right } => Expr::binary(*op, f(left), f(right)),
            Expr::Unary { op, input } => Expr::unary(*op, f(input)),
            Expr::Cast { input, dtype } => f(input).cast(dtype.clone()),
            Expr::Call { function, inputs } => {
                Expr::call(function.clone(), inputs.iter().map(f).collect())
            }
        }
    }

    /// Adds the labels of the columns that the expression reads.
    pub fn columns(&self, found: &mut BTreeSet<Label>) {
        if let Expr::Column(label) = self {
            found.insert(label.clone());
        }
        for child in self.children() {
            child.columns(found);
        }
    }

    /// Whether the expression reads the index.
    pub fn reads_index(&self) -> bool {
        matches!(self, Expr::Index(_)) || self.children().iter().any(|c| c.reads_index())
    }
}

macro_rules! operator {
    ($trait:ident, $method:ident, $op:ident) => {
        impl std::ops::$trait for Expr {
            type Output = Expr;

            fn $method(self, other: Expr) -> Expr {
                Expr::binary(BinaryOp::$op, self, other)
            }
        }
    };
}

operator!(Add, add, Add);
operator!(Sub, sub, Sub);
operator!(Mul, mul, Mul);
operator!(Div, div, TrueDiv);
operator!(Rem, rem, Mod);
