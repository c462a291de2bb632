//! Running sums and products.

use rask_value::array::DType;

use super::reduction::replace_nan;
use super::{ArrayExpr, Kind, Operands};
use crate::error::ArrayPlanError;
use crate::kernels::reduce::{CumulativeOp, ReduceOp};

impl ArrayExpr {
    /// `cumsum`, `cumprod`, `nancumsum` or `nancumprod` along an axis; `None` where there is no
    /// native form.
    ///
    /// # Errors
    /// An axis that is not there, an unknown name.
    pub fn cumulate(
        &self,
        name: &str,
        axis: usize,
        dtype: Option<DType>,
    ) -> Result<Option<Self>, ArrayPlanError> {
        self.check_axis(axis)?;
        let (op, reduce, neutral) = match name.trim_start_matches("nan") {
            "cumsum" => (CumulativeOp::Sum, ReduceOp::Sum, 0.0),
            "cumprod" => (CumulativeOp::Prod, ReduceOp::Prod, 1.0),
            _ => {
                return Err(ArrayPlanError::Value(format!(
                    "no running reduction is named {name:?}"
                )));
            }
        };
        let Some(own) = self.native() else {
            return Ok(None);
        };
        let Some(dtype) = dtype.or(reduce.output(own)) else {
            return Ok(None);
        };
        if reduce.output(dtype) != Some(dtype) {
            return Ok(None);
        }
        let mut input = self.clone();
        if name.starts_with("nan") {
            match replace_nan(&input, neutral)? {
                Some(replaced) => input = replaced,
                None => return Ok(None),
            }
        }
        let Some(input) = input.astype(dtype)? else {
            return Ok(None);
        };
        let chunks = self.chunks().to_vec();
        let kind = Kind::Cumulate { op, axis };
        let inputs = Operands::from_iter([input]);
        Ok(Some(Self::new(
            name,
            &axis,
            kind,
            inputs,
            chunks,
            dtype.into(),
        )))
    }
}
