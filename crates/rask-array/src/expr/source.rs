//! Arrays out of nothing, of memory, of files and of other plans.

use std::sync::Arc;

use rask_value::array::DType;
use rask_value::{Plan, ValueRef};

use super::{ArrayExpr, ElementType, Kind, Operands};
use crate::chunks::{Chunks, axis_length, is_known};
use crate::error::ArrayPlanError;
use crate::kernels::elementwise::GeneratorKind;
use crate::opaque::{OpaqueRef, Region};

type Result<T> = std::result::Result<T, ArrayPlanError>;

fn known_shape(chunks: &Chunks) -> Result<Vec<usize>> {
    if chunks.iter().any(|sizes| !is_known(sizes)) {
        return Err(ArrayPlanError::Value(
            "the chunks of a new array must be known".into(),
        ));
    }
    Ok(chunks
        .iter()
        .map(|sizes| axis_length(sizes) as usize)
        .collect())
}

impl ArrayExpr {
    /// A value in memory; `token` stands for its contents. Blocks are views of it.
    pub fn held(
        value: ValueRef,
        token: &str,
        chunks: Chunks,
        element: ElementType,
    ) -> Result<Self> {
        known_shape(&chunks)?;
        let kind = Kind::Held { value };
        Ok(Self::new(
            "array",
            &token,
            kind,
            Operands::new(),
            chunks,
            element,
        ))
    }

    /// Elements that are a function of their position: fills, ranges, random numbers.
    pub fn generate(kind: GeneratorKind, dtype: DType, chunks: Chunks) -> Result<Self> {
        let whole = known_shape(&chunks)?;
        let name = match &kind {
            GeneratorKind::Fill(_) => "full",
            GeneratorKind::Arange { .. } => "arange",
            GeneratorKind::Linspace { .. } => "linspace",
            GeneratorKind::Random { .. } => "random",
        };
        let parameters = (kind.clone(), whole.clone());
        let view = vec![(0, 1); whole.len()];
        let node = Kind::Generate { kind, whole, view };
        Ok(Self::new(
            name,
            &parameters,
            node,
            Operands::new(),
            chunks,
            dtype.into(),
        ))
    }

    /// Ones on the diagonal `k`, zeros elsewhere; `chunks` are those of rows and columns.
    pub fn eye(rows: i64, columns: i64, k: i64, chunks: Chunks, dtype: DType) -> Result<Self> {
        let shape = known_shape(&chunks)?;
        if shape != [rows as usize, columns as usize] {
            return Err(ArrayPlanError::Value(
                "the chunks do not fit the shape".into(),
            ));
        }
        let view = vec![(0, 1); 2];
        let kind = Kind::Eye { k, view };
        Ok(Self::new(
            "eye",
            &k,
            kind,
            Operands::new(),
            chunks,
            dtype.into(),
        ))
    }

    /// An array whose parts a callable reads; `token` stands for its contents.
    pub fn read(
        source: OpaqueRef,
        token: &str,
        chunks: Chunks,
        element: ElementType,
    ) -> Result<Self> {
        let shape = known_shape(&chunks)?;
        let axis = |length: usize| Region {
            start: 0,
            stop: length as i64,
            step: 1,
        };
        let view = shape.into_iter().map(axis).collect();
        let kind = Kind::Read { source, view };
        Ok(Self::new(
            "read",
            &token,
            kind,
            Operands::new(),
            chunks,
            element,
        ))
    }

    /// Blocks that a callable makes from their coordinates and shape.
    pub fn make(
        function: OpaqueRef,
        token: &str,
        chunks: Chunks,
        element: ElementType,
    ) -> Result<Self> {
        let name = function.name().to_owned();
        let kind = Kind::Make { function };
        Ok(Self::new(
            &name,
            &token,
            kind,
            Operands::new(),
            chunks,
            element,
        ))
    }

    /// The wanted blocks of a plan, in row-major order.
    pub fn external(
        plan: Arc<Plan>,
        token: &str,
        chunks: Chunks,
        element: ElementType,
    ) -> Result<Self> {
        let blocks: usize = chunks.iter().map(|sizes| sizes.len()).product();
        if blocks != plan.wanted().len() {
            return Err(ArrayPlanError::Value(format!(
                "the plan makes {} blocks, the chunks have {blocks}",
                plan.wanted().len()
            )));
        }
        let kind = Kind::External { plan };
        Ok(Self::new(
            "from-plan",
            &token,
            kind,
            Operands::new(),
            chunks,
            element,
        ))
    }
}
