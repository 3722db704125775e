//! What a row of the constants table says.

/// A constant of the standard ABI.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Constant {
    /// C name.
    pub name: &'static str,
    /// Heading of the table the row stands under.
    pub group: &'static str,
    /// C type as the table spells it: `int`, `MPI_Comm`, `void *`.
    pub c_type: &'static str,
    /// Value; a handle or an address is its bit pattern.
    pub value: i64,
    /// The constant this one is another name of.
    pub alias_of: Option<&'static str>,
}

/// What sort of value a [`Constant`] is: decides the Rust type of its `const`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConstantType {
    /// An `int`: `i32`.
    Int,
    /// A C enumeration: `i32`.
    Enumeration,
    /// An `MPI_Offset`: `i64`.
    Offset,
    /// A handle (a pointer to an incomplete type) or an address: `u64`, as it crosses in a register.
    Address,
}

impl Constant {
    /// What sort of value this is.
    pub fn sort(&self) -> ConstantType {
        match self.c_type {
            "int" => ConstantType::Int,
            "MPI_T_cb_safety" | "MPI_T_source_order" => ConstantType::Enumeration,
            "MPI_Offset" => ConstantType::Offset,
            _ => ConstantType::Address,
        }
    }
}
