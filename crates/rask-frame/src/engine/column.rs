//! A column: Arrow memory with the pandas dtype that says what it means.

use std::sync::Arc;

use arrow_array::builder::LargeStringBuilder;
use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Float64Type, Int32Type, Int64Type};
use arrow_array::{
    Array, ArrayRef, ArrowPrimitiveType, BooleanArray, Float32Array, Float64Array, Int64Array,
    LargeStringArray, PrimitiveArray, UInt32Array, new_empty_array, new_null_array,
};
use arrow_buffer::{BooleanBuffer, NullBuffer, ScalarBuffer};
use arrow_data::ArrayData;
use arrow_schema::DataType;

use super::dispatch::for_number;
use super::{DType, EngineError, Number, Result, Scalar, TimeUnit};

/// A column of a table; cheap to clone.
#[derive(Clone, Debug)]
pub struct Column {
    dtype: DType,
    array: ArrayRef,
}

impl Column {
    /// A column over memory of exactly the dtype's Arrow type. Missing entries of float columns
    /// become NaN; other dtypes without validity refuse them.
    pub fn new(dtype: DType, array: ArrayRef) -> Result<Column> {
        if *array.data_type() != dtype.arrow() {
            return Err(EngineError::type_error(format!(
                "memory of Arrow type {} is not that of dtype {dtype}",
                array.data_type()
            )));
        }
        if dtype.has_validity() || array.null_count() == 0 {
            return Ok(Column {
                dtype,
                array: without_empty_validity(array),
            });
        }
        if dtype.is_nan_missing() {
            return Ok(Column {
                array: nulls_to_nan(&array),
                dtype,
            });
        }
        Err(EngineError::value(format!(
            "a column of dtype {dtype} cannot hold missing values"
        )))
    }

    /// A column over any Arrow array, with the pandas dtype that reading it gives: integers with
    /// missing values become float64, booleans object, dates `datetime64[s]`.
    pub fn from_arrow(array: ArrayRef) -> Result<Column> {
        let target = match array.data_type() {
            DataType::Boolean if array.null_count() > 0 => DType::ObjectBool,
            other => {
                let dtype = dtype_of_arrow(other)?;
                if array.null_count() > 0 {
                    dtype.with_missing()
                } else {
                    dtype
                }
            }
        };
        Column::from_arrow_as(array, target)
    }

    /// A column over any Arrow array, brought to the given dtype by Arrow's cast.
    pub fn from_arrow_as(array: ArrayRef, dtype: DType) -> Result<Column> {
        let wanted = dtype.arrow();
        if *array.data_type() == wanted {
            return Column::new(dtype, array);
        }
        let cast = arrow_cast::cast(&array, &wanted)?;
        Column::new(dtype, cast)
    }

    /// Numbers without missing values (floats may be NaN).
    pub fn from_values<T: ArrowPrimitiveType>(values: Vec<T::Native>) -> Column {
        let number = Number::from_arrow(&T::DATA_TYPE).expect("a number type");
        Column {
            dtype: DType::Number(number),
            array: Arc::new(PrimitiveArray::<T>::new(values.into(), None)),
        }
    }

    /// A column of numbers over memory that somebody else has.
    pub fn from_bytes(dtype: DType, bytes: bytes::Bytes) -> Result<Column> {
        let DType::Number(number) = dtype else {
            return Err(EngineError::type_error(format!("{dtype} is no number")));
        };
        let data = ArrayData::builder(number.arrow())
            .len(bytes.len() / number.width_bytes())
            .add_buffer(bytes.into())
            .align_buffers(true);
        Column::new(dtype, arrow_array::make_array(data.build()?))
    }

    pub fn from_f64(values: Vec<f64>) -> Column {
        Column::from_values::<Float64Type>(values)
    }

    pub fn from_i64(values: Vec<i64>) -> Column {
        Column::from_values::<Int64Type>(values)
    }

    /// A `bool` column; missing entries, where there are any, make it the nullable or object kind.
    pub fn from_bool(array: BooleanArray) -> Column {
        let dtype = if array.null_count() > 0 {
            DType::ObjectBool
        } else {
            DType::Bool
        };
        Column {
            dtype,
            array: without_empty_validity(Arc::new(array)),
        }
    }

    pub fn from_bits(bits: BooleanBuffer) -> Column {
        Column {
            dtype: DType::Bool,
            array: Arc::new(BooleanArray::new(bits, None)),
        }
    }

    pub fn from_strings(array: LargeStringArray) -> Column {
        Column {
            dtype: DType::Str,
            array: Arc::new(array),
        }
    }

    /// A `str` column of the texts.
    pub fn from_texts<'a>(texts: impl IntoIterator<Item = Option<&'a str>>) -> Column {
        let mut builder = LargeStringBuilder::new();
        for text in texts {
            builder.append_option(text);
        }
        Column::from_strings(builder.finish())
    }

    /// A datetime or timedelta column from its ticks.
    pub fn from_ticks(dtype: DType, ticks: Int64Array) -> Result<Column> {
        let (_, values, nulls) = ticks.into_parts();
        let len = values.len();
        let data = ArrayData::builder(dtype.arrow())
            .len(len)
            .add_buffer(values.into_inner())
            .nulls(nulls)
            .build()?;
        Column::new(dtype, arrow_array::make_array(data))
    }

    /// A column without rows.
    pub fn empty(dtype: &DType) -> Column {
        Column {
            array: new_empty_array(&dtype.arrow()),
            dtype: dtype.clone(),
        }
    }

    /// A column with only missing values, of the dtype or what missing values make of it.
    pub fn missing(dtype: &DType, len: usize) -> Column {
        let dtype = dtype.with_missing();
        let array = new_null_array(&dtype.arrow(), len);
        Column::new(dtype, array).expect("a dtype that can be missing")
    }

    pub fn dtype(&self) -> &DType {
        &self.dtype
    }

    pub fn array(&self) -> &ArrayRef {
        &self.array
    }

    pub fn len(&self) -> usize {
        self.array.len()
    }

    pub fn is_empty(&self) -> bool {
        self.array.len() == 0
    }

    /// The same memory under another dtype of the same Arrow type.
    pub fn with_dtype(self, dtype: DType) -> Result<Column> {
        Column::new(dtype, self.array)
    }

    /// The numbers; the type must be the column's.
    pub fn values<T: ArrowPrimitiveType>(&self) -> &[T::Native] {
        self.array.as_primitive::<T>().values()
    }

    pub fn as_bool(&self) -> Result<&BooleanArray> {
        self.array.as_boolean_opt().ok_or_else(|| {
            EngineError::type_error(format!("expected a bool column, found {}", self.dtype))
        })
    }

    pub fn as_str(&self) -> Result<&LargeStringArray> {
        self.array.as_string_opt::<i64>().ok_or_else(|| {
            EngineError::type_error(format!("expected a str column, found {}", self.dtype))
        })
    }

    /// The ticks of a datetime or timedelta column, or an int64 column, without a copy.
    pub fn ticks(&self) -> Result<Int64Array> {
        let is_ticks = matches!(
            self.dtype,
            DType::Datetime(..) | DType::Timedelta(_) | DType::Number(Number::Int64)
        );
        if !is_ticks {
            return Err(EngineError::type_error(format!(
                "expected a datetime or timedelta column, found {}",
                self.dtype
            )));
        }
        let data = self.array.to_data();
        let values = ScalarBuffer::new(data.buffers()[0].clone(), data.offset(), data.len());
        Ok(Int64Array::new(values, data.nulls().cloned()))
    }

    /// The unit of a datetime or timedelta column.
    pub fn time_unit(&self) -> Option<TimeUnit> {
        match &self.dtype {
            DType::Datetime(unit, _) | DType::Timedelta(unit) => Some(*unit),
            _ => None,
        }
    }

    /// Which entries are present; `None` when all are.
    pub fn validity(&self) -> Option<BooleanBuffer> {
        match &self.dtype {
            DType::Number(Number::Float64) => not_nan(self.values::<Float64Type>(), |v| v.is_nan()),
            DType::Number(Number::Float32) => not_nan(self.values::<Float32Type>(), |v| v.is_nan()),
            _ => self
                .array
                .logical_nulls()
                .filter(|nulls| nulls.null_count() > 0)
                .map(|nulls| nulls.into_inner()),
        }
    }

    pub fn missing_count(&self) -> usize {
        self.validity()
            .map_or(0, |bits| bits.len() - bits.count_set_bits())
    }

    /// The value in a row.
    pub fn get(&self, row: usize) -> Scalar {
        if self.array.is_null(row) {
            return Scalar::Missing;
        }
        match &self.dtype {
            DType::Bool | DType::NullableBool | DType::ObjectBool => {
                Scalar::Bool(self.array.as_boolean().value(row))
            }
            DType::Number(number) | DType::NullableNumber(number) => {
                number_scalar(*number, &self.array, row)
            }
            DType::Str => Scalar::Str(self.array.as_string::<i64>().value(row).into()),
            DType::Datetime(unit, zone) => Scalar::Datetime(self.tick_at(row), *unit, zone.clone()),
            DType::Timedelta(unit) => Scalar::Timedelta(self.tick_at(row), *unit),
            DType::Category { values, .. } => {
                let keys = self.array.as_dictionary::<Int32Type>();
                let code = keys.keys().value(row) as usize;
                Column {
                    dtype: (**values).clone(),
                    array: keys.values().clone(),
                }
                .get(code)
            }
            DType::List(_) => Scalar::Missing,
        }
    }

    fn tick_at(&self, row: usize) -> i64 {
        self.slice(row, 1).ticks().map_or(0, |ticks| ticks.value(0))
    }

    /// A run of rows, sharing memory.
    pub fn slice(&self, offset: usize, len: usize) -> Column {
        Column {
            dtype: self.dtype.clone(),
            array: self.array.slice(offset, len),
        }
    }

    /// The rows in the given order.
    pub fn take(&self, rows: &[u32]) -> Column {
        let rows = UInt32Array::new(ScalarBuffer::from(rows.to_vec()), None);
        self.take_array(&rows)
    }

    /// The rows in the given order; rows must be inside the column.
    pub(crate) fn take_array(&self, rows: &UInt32Array) -> Column {
        let array = arrow_select::take::take(&self.array, rows, None).expect("rows are inside");
        Column {
            dtype: self.dtype.clone(),
            array: without_empty_validity(array),
        }
    }

    /// The rows in the given order, a missing row number giving a missing value.
    pub(crate) fn take_optional(&self, rows: &UInt32Array) -> Result<Column> {
        if rows.null_count() == 0 {
            return Ok(self.take_array(rows));
        }
        let target = self.dtype.with_missing();
        let source = self.cast_for_missing(&target)?;
        if source.is_empty() {
            return Ok(Column::missing(&target, rows.len()));
        }
        let array = arrow_select::take::take(&source.array, rows, None)?;
        Column::new(target, array)
    }

    fn cast_for_missing(&self, target: &DType) -> Result<Column> {
        if self.dtype == *target {
            return Ok(self.clone());
        }
        Column::from_arrow_as(self.array.clone(), target.clone())
    }

    /// The rows where the mask is true.
    pub fn filter(&self, mask: &BooleanArray) -> Result<Column> {
        let array = arrow_select::filter::filter(&self.array, mask)?;
        Column::new(self.dtype.clone(), array)
    }

    /// One column after the other, in the common dtype.
    pub fn concat(columns: &[&Column]) -> Result<Column> {
        super::concat::concat_columns(columns)
    }

    /// A column of one value.
    pub fn full(value: &Scalar, dtype: &DType, len: usize) -> Result<Column> {
        super::cast::full(value, dtype, len)
    }

    /// The column in another dtype, as `astype`.
    pub fn cast(&self, dtype: &DType) -> Result<Column> {
        super::cast::cast(self, dtype)
    }

    /// Numbers and bools as float64, missing as NaN.
    pub fn to_f64(&self) -> Result<Column> {
        self.cast(&DType::FLOAT64)
    }

    /// Bytes of memory of the rows.
    pub fn nbytes(&self) -> u64 {
        self.array
            .to_data()
            .get_slice_memory_size()
            .unwrap_or_else(|_| self.array.get_array_memory_size()) as u64
    }
}

fn number_scalar(number: Number, array: &ArrayRef, row: usize) -> Scalar {
    if number.is_float() {
        let value = match number {
            Number::Float32 => f64::from(array.as_primitive::<Float32Type>().value(row)),
            _ => array.as_primitive::<Float64Type>().value(row),
        };
        return Scalar::Float(value);
    }
    for_number!(number, T => {
        let value = array.as_primitive::<T>().value(row);
        if number == Number::UInt64 {
            Scalar::UInt(num_traits::AsPrimitive::<u64>::as_(value))
        } else {
            Scalar::Int(num_traits::AsPrimitive::<i64>::as_(value))
        }
    })
}

fn not_nan<T: Copy>(values: &[T], is_nan: impl Fn(T) -> bool) -> Option<BooleanBuffer> {
    if !values.iter().fold(false, |any, v| any | is_nan(*v)) {
        return None;
    }
    Some(BooleanBuffer::collect_bool(values.len(), |i| {
        !is_nan(values[i])
    }))
}

/// Drops a validity bitmap in which everything is valid.
fn without_empty_validity(array: ArrayRef) -> ArrayRef {
    if array.nulls().is_none() || array.null_count() > 0 {
        return array;
    }
    match array.into_data().into_builder().nulls(None).build() {
        Ok(data) => arrow_array::make_array(data),
        Err(error) => unreachable!("the same data without nulls: {error}"),
    }
}

fn nulls_to_nan(array: &ArrayRef) -> ArrayRef {
    fn fill<T: ArrowPrimitiveType>(array: &PrimitiveArray<T>, nan: T::Native) -> Vec<T::Native> {
        array.iter().map(|v| v.unwrap_or(nan)).collect()
    }
    match array.data_type() {
        DataType::Float32 => Arc::new(Float32Array::from(fill(
            array.as_primitive::<Float32Type>(),
            f32::NAN,
        ))),
        _ => Arc::new(Float64Array::from(fill(
            array.as_primitive::<Float64Type>(),
            f64::NAN,
        ))),
    }
}

/// The dtype that pandas gives an Arrow type without missing values.
pub(crate) fn dtype_of_arrow(arrow: &DataType) -> Result<DType> {
    if let Some(number) = Number::from_arrow(arrow) {
        return Ok(DType::Number(number));
    }
    Ok(match arrow {
        DataType::Boolean => DType::Bool,
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => DType::Str,
        DataType::Timestamp(unit, zone) => {
            DType::Datetime(TimeUnit::from_arrow(unit), zone.clone())
        }
        DataType::Duration(unit) => DType::Timedelta(TimeUnit::from_arrow(unit)),
        DataType::Date32 => DType::Datetime(TimeUnit::Second, None),
        DataType::Date64 => DType::Datetime(TimeUnit::Millisecond, None),
        DataType::Decimal128(..) | DataType::Decimal256(..) | DataType::Float16 => DType::FLOAT64,
        DataType::Null => DType::Str,
        DataType::Dictionary(_, values) => DType::Category {
            ordered: false,
            values: Box::new(dtype_of_arrow(values)?),
        },
        DataType::List(field) | DataType::LargeList(field) => {
            DType::List(Box::new(dtype_of_arrow(field.data_type())?))
        }
        other => {
            return Err(EngineError::unsupported(format!(
                "columns of Arrow type {other} have no native form"
            )));
        }
    })
}

/// A validity buffer from optional bits.
pub(crate) fn nulls_from(bits: Option<BooleanBuffer>) -> Option<NullBuffer> {
    bits.map(NullBuffer::new).filter(|n| n.null_count() > 0)
}
