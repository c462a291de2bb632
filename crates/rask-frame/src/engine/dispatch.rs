//! From a number type known at run time to code compiled for it.

/// Runs the body with the type name bound to the Arrow type of the number.
macro_rules! for_number {
    ($number:expr, $T:ident => $body:expr) => {{
        use $crate::engine::Number as N;
        match $number {
            N::Int8 => {
                type $T = arrow_array::types::Int8Type;
                $body
            }
            N::Int16 => {
                type $T = arrow_array::types::Int16Type;
                $body
            }
            N::Int32 => {
                type $T = arrow_array::types::Int32Type;
                $body
            }
            N::Int64 => {
                type $T = arrow_array::types::Int64Type;
                $body
            }
            N::UInt8 => {
                type $T = arrow_array::types::UInt8Type;
                $body
            }
            N::UInt16 => {
                type $T = arrow_array::types::UInt16Type;
                $body
            }
            N::UInt32 => {
                type $T = arrow_array::types::UInt32Type;
                $body
            }
            N::UInt64 => {
                type $T = arrow_array::types::UInt64Type;
                $body
            }
            N::Float32 => {
                type $T = arrow_array::types::Float32Type;
                $body
            }
            N::Float64 => {
                type $T = arrow_array::types::Float64Type;
                $body
            }
        }
    }};
}

pub(crate) use for_number;
