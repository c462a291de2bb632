//! Values by task within a budget of bytes: accounting, spilling, reading back.
